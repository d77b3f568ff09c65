"""The study of cifar10_16_nas, read out in other ways. For two CPU cores.

    python -m gtn_tf.main --config=configs/cifar10_16_readouts.py \
        --mode=search \
        --config.search.table=docs/results/cifar10_16_nas/search_scores.csv

The same 128 cells and their kept accuracies after 1000 real steps. Each
training is read in several ways on the first 1000 validation images, after one
initialisation, which all cells share, as they do real batches. Shared weights
are as in cifar10_16_methods. Other GTNs are compared by --config.search.gtn.
Killed, the same command goes on; two processes share it by
--config.search.num_shards=2 and --config.search.shard=0 or 1.

Measured: Spearman with those accuracies, three GTN seeds, by accuracy and by
log-likelihood: gtn 0.66 and 0.65, 20 real steps 0.53 and 0.56, as many on a
real subset 0.60 and 0.59, 60 real steps 0.62 and 0.65; supernet -0.10, ghn
-0.07, params 0.19, naswot 0.32. An hour and a half of one core (Intel Xeon with
AVX-512), 13 minutes for each other GTN, which takes 9 to make; float32, TF
2.21, commit 68c26d1. docs/results/cifar10_16_readouts
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config

_TRAINED = "gtn", "real:steps=20", "real_subset:steps=20", "real:steps=60"
_READOUTS = (
    "readout=accuracy,statistics=last_batch",  # as the paper's
    "readout=accuracy",
    "readout=log_likelihood",
    "readout=training_loss_sum",
)


def get_config() -> config_dict.ConfigDict:
    config = named_config("cifar10_16_nas")
    search = config.search
    search.truth = "table"
    search.evaluators = (
        *(
            f"{evaluator}{',' if ':' in evaluator else ':'}{readout}"
            for evaluator in _TRAINED
            for readout in _READOUTS
        ),
        *("supernet:readout=log_likelihood", "ghn:readout=log_likelihood"),
        *("params", "flops", "naswot", "jacob_cov"),
    )
    methods = named_config("cifar10_16_methods").search
    search.supernet, search.ghn = methods.supernet, methods.ghn
    search.statistics = "validation"
    search.common_random_numbers = True
    search.num_validation_images = 1000
    return config
