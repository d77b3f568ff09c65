"""A search of minutes: cells on scikit-learn's real 8x8 digits.

    python -m gtn_tf.main --config=configs/digits_nas.py --mode=search

Shows every part of a search on two CPU cores, the meta-training of its GTN
included. Twelve architectures are too few to say which evaluator ranks better:
see the width of the intervals, and configs/cifar10_16_nas.py.

Measured: Spearman with the truth, one GTN seed, 12 architectures: gtn 0.36
[-0.34, 0.86], real 0.45 [-0.29, 0.88], params 0.22 [-0.49, 0.79], flops 0.19
[-0.52, 0.77]: no claim. Truth 0.95 to 0.97. One core (AMD EPYC) beside other
work, float32, TF 2.21, commit be4257b; with a GTN of one learner family, alone
on 2 cores, the whole took 4 minutes 32 seconds (commit 8f54a61).
"""

from ml_collections import config_dict

from configs import digits


def get_config() -> config_dict.ConfigDict:
    config = digits.get_config()
    # So that the data are made for more than one kind of learner. What it is
    # worth: transfer in docs/results/README.md.
    config.learner.name = "conv2_fc,conv2_pool,conv3_fc,conv3_pool,mlp"
    config.learner.widths = (
        (32, 64, 64),
        (32, 64),
        (32, 64, 128, 128),
        (32, 64, 128),
        (128, 64),
    )
    config.meta.num_steps = 200

    config.search.num_architectures = 12
    config.search.num_nodes = 2
    config.search.num_cells = 1
    config.search.channels = 8
    config.search.evaluators = (
        "gtn",
        "real",
        "params",
        "flops",
        "naswot",
        "synflow",
    )
    # Ten epochs.
    config.search.truth = "real:steps=200"
    config.search.truth_batch_size = 50
    config.search.truth_learning_rate = 0.1
    config.search.real_learning_rate = 0.1
    config.search.real_momentum = 0.5
    return config
