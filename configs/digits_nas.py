"""A search of minutes: cells on scikit-learn's real 8x8 digits.

    python -m gtn_tf.main --config=configs/digits_nas.py --mode=search

Shows every part of a search on two CPU cores, the meta-training of its GTN
included. Ten architectures are too few to say which evaluator ranks better:
see the width of the intervals, and configs/cifar10_16_nas.py.

Measured: Spearman with the truth, one GTN seed, 10 architectures: gtn -0.02
[-0.68, 0.68], real 0.21 [-0.63, 0.81], params 0.39 [-0.42, 0.92]: no claim.
Truth 0.92 to 0.96. The whole took 4 minutes 31 seconds on 2 cores (AMD EPYC),
float32, TF 2.21, commit cfc6ccb; all numbers are in docs/results/ranking.md.
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("digits")
    # So that the data are made for more than one kind of learner. What it is
    # worth: docs/results/transfer.md.
    config.learner.name = "conv2_fc,conv2_pool,mlp"
    config.learner.widths = ((32, 64, 64), (32, 64), (128, 64))
    config.meta.num_steps = 200
    # As measured; more was not tried here.
    config.meta.noise_rate_ratio = 1.0

    config.search.num_architectures = 10
    config.search.num_nodes = 2
    config.search.num_cells = 1
    config.search.channels = 8
    config.search.evaluators = (
        "gtn",
        "real",
        "params",
        "flops",
        "naswot",
    )
    # Six epochs.
    config.search.truth = "real:steps=120"
    config.search.truth_batch_size = 50
    config.search.truth_learning_rate = 0.1
    config.search.real_learning_rate = 0.1
    config.search.real_momentum = 0.5
    # As its results were measured.
    config.search.readout = "accuracy"
    config.search.common_random_numbers = False
    return config
