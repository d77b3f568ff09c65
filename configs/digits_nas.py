"""A search of minutes: cells on scikit-learn's real 8x8 digits.

    python -m gtn_tf.main --config=configs/digits_nas.py --mode=search

Shows every part of a search on two CPU cores, the meta-training of its GTN
included. Twelve architectures are too few to say which evaluator ranks better:
see the width of the intervals, and configs/cifar10_16_nas.py.

Measured: Spearman with the truth, one GTN seed, 12 architectures: gtn -0.03
[-0.65, 0.52], real -0.10 [-0.65, 0.54], params 0.33 [-0.26, 0.77], flops 0.38
[-0.23, 0.75]: no claim. Truth 0.93 to 0.97. 4 minutes 32 seconds in all, 200
meta-steps included, on 2 cores (AMD EPYC), float32, TF 2.21, commit 8f54a61.
"""

from ml_collections import config_dict

from configs import digits


def get_config() -> config_dict.ConfigDict:
    config = digits.get_config()
    # The recipe whose data teach other learners best: docs/results/README.md.
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
