"""How well do a GTN and its rivals rank NAS-Bench-201? For two CPU cores.

    python -m gtn_tf.main --config=configs/nb201_16.py --mode=search \
        --config.search.table=nb201_val_accs.csv

Cells of NAS-Bench-201 against their published accuracy after 200 epochs on
CIFAR-10, a table of the columns `net` or `net_str` and `val_accs`. Networks are
small here: CIFAR-10 at 16x16 pixels, N = 1, C = 8, 20 steps of 64 images; and
60, three epochs of the GTN's or as many real ones, as its meta-training costs
about 40 for each of 300 cells. Each training is read in several ways on the
first 1000 validation images, as a mean of one and of three initialisations, and
once more together with what is free. All cells have the same initial values and
real batches. Killed, the same command goes on; two processes share it by
--config.search.num_shards=2 and --config.search.shard=0 or 1.

Measured: Spearman with the table, 300 cells, log-likelihood of three
initialisations: gtn 0.73 [0.67, 0.78] (0.69 to 0.75 of three GTN seeds), real
data 0.73 by 20 and 0.81 by 60 steps, a real subset 0.77, naswot 0.79, params
0.71; with naswot 0.84, 0.86, 0.87 and 0.85. An hour of 2 cores (AMD EPYC with
AVX2) that other processes shared, float32, TF 2.21, commit 5b997d5; all numbers
are in docs/results/nb201_readouts.
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config

#: As in the paper: accuracy by the statistics of the last batch.
_PLAIN = "readout=accuracy,statistics=last_batch"
_READOUTS = ("accuracy", "log_likelihood", "training_loss_sum")


def _read(evaluator: str) -> tuple[str, ...]:
    """Names an evaluator under each readout; one training serves them all."""
    named = f"{evaluator}{',' if ':' in evaluator else ':'}"
    return (
        f"{named}{_PLAIN},initializations=1",
        *(
            f"{named}readout={readout},initializations={number}"
            for number in (1, 3)
            for readout in _READOUTS
        ),
    )


def get_config() -> config_dict.ConfigDict:
    config = named_config("cifar10_16_nas")
    config.search.space = "nb201"
    config.search.num_architectures = 300
    config.search.num_cells = 1
    config.search.channels = 8
    config.search.statistics = "validation"
    config.search.common_random_numbers = True
    config.search.num_validation_images = 1000
    trained = [
        name
        for evaluator in (
            *("gtn", "real:steps=20", "real_subset:steps=20"),
            *("gtn:epochs=3", "real:steps=60"),
        )
        for name in _read(evaluator)
    ]
    free = "naswot"
    config.search.evaluators = (
        *trained,
        *("params", "flops", "naswot"),
        *(
            f"rank_mean:{name}+{free}"
            for name in trained
            if name.endswith("initializations=3")
        ),
        f"rank_mean:params+{free}",
    )
    config.search.truth = "table"
    # By which real steps rank best on the first 19 cells, on the mean of three
    # initialisations: Spearman 0.51 of 20 and 0.69 of 60 steps, against 0.45
    # and 0.59 at a constant 0.3; at 0.1 and momentum 0.9, losses near chance.
    config.search.real_learning_rate = 0.5
    config.search.real_momentum = 0.5
    config.search.real_schedule = "cosine"
    return config
