"""Three epochs of a GTN's steps, read in all ways at once, on NAS-Bench-201.

    python -m gtn_tf.main --config=configs/nb201_16_epochs.py --mode=search \
        --config.search.table=nb201_val_accs.csv

Networks, images and table of nb201_16, and 300 other random cells: on those of
nb201_16 it was found that the GTN's data rank better if they are shown three
times and the ranks by three readouts are averaged. Real data and a subset are
read alike after as many steps. Killed, the same command goes on; two processes
share it by --config.search.num_shards=2 and --config.search.shard=0 or 1.

Measured: Spearman with the table, three GTN seeds, 300 cells, the mean of ranks
by three initialisations: gtn 0.68 [0.61, 0.73], 60 real steps 0.77, a real
subset 0.81: what was found on the other cells does not hold. Together with
params, naswot and jacob_cov 0.886, 0.887 and 0.893; these alone 0.879. An hour
of two cores side by side (Intel Xeon with AVX-512), float32, TF 2.21, commit
a1fc25d; all numbers are in docs/results/nb201_epochs.
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config

_READOUTS = (
    "readout=accuracy,statistics=last_batch",
    "readout=log_likelihood",
    "readout=training_loss_sum",
)


def _read(evaluator: str, number: int) -> tuple[str, ...]:
    """Names an evaluator under each readout; one training serves them all."""
    return tuple(
        f"{evaluator},{readout},initializations={number}"
        for readout in _READOUTS
    )


def get_config() -> config_dict.ConfigDict:
    config = named_config("nb201_16")
    config.seed = 1  # of other cells
    trained = [
        _read(evaluator, number)
        for evaluator in (
            *("gtn:epochs=3", "real:steps=60", "real_subset:steps=60"),
        )
        for number in (1, 3)
    ]
    names = [name for readouts in trained for name in readouts]
    free = "params+naswot+jacob_cov"
    config.search.evaluators = (
        *names,
        *("params", "flops", "naswot", "jacob_cov", "synflow"),
        *(f"rank_mean:{'+'.join(readouts)}" for readouts in trained),
        *(f"rank_mean:{name}+{free}" for name in names),
        f"rank_mean:{free}",
    )
    return config
