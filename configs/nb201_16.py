"""How well do a GTN and its rivals rank NAS-Bench-201? For two CPU cores.

    python -m gtn_tf.main --config=configs/nb201_16.py --mode=search \
        --config.search.table=nb201_val_accs.csv

Cells of NAS-Bench-201 against their published accuracy after 200 epochs on
CIFAR-10, a table of the columns `net` or `net_str` and `val_accs`. Networks are
small here: CIFAR-10 at 16x16 pixels, N = 1, C = 8, 20 steps of 64 images. Each
training is read in three ways, as a mean of one and of three initialisations,
and once more together with what is free. Killed, the same command goes on.

Measured: -
"""

from ml_collections import config_dict

from configs import cifar10_16_nas

_READOUTS = ("accuracy", "log_likelihood", "training_loss_sum")


def _read(evaluator: str, num_initializations: int) -> tuple[str, ...]:
    """Names an evaluator under each readout; one training serves them all."""
    joint = "," if ":" in evaluator else ":"
    return tuple(
        f"{evaluator}{joint}readout={readout},"
        f"initializations={num_initializations}"
        for readout in _READOUTS
    )


def get_config() -> config_dict.ConfigDict:
    config = cifar10_16_nas.get_config()
    config.search.space = "nb201"
    config.search.num_architectures = 300
    config.search.num_cells = 1
    config.search.channels = 8
    once = [
        name
        for evaluator in ("gtn", "real:steps=20", "real_subset:steps=20")
        for name in _read(evaluator, 1)
    ]
    trained = [
        name
        for evaluator in (
            "gtn",
            # Its rates were learned with other learners than these cells.
            "gtn:rate_factor=2.5",
            "real:steps=20",
            "real_subset:steps=20",
        )
        for name in _read(evaluator, 3)
    ]
    free = "naswot"
    config.search.evaluators = (
        *once,
        *trained,
        *_read("real:steps=60", 1),
        *("params", "flops", "naswot", "synflow"),
        *(f"rank_mean:{name}+{free}" for name in trained),
        f"rank_mean:params+{free}",
    )
    config.search.truth = "table"
    # As 20 steps learn more by: at 0.1, with momentum 0.9 and a cosine, their
    # losses are 2.25 on the mean, near chance; so, 2.2.
    config.search.real_learning_rate = 0.3
    config.search.real_momentum = 0.5
    config.search.real_schedule = "constant"
    return config
