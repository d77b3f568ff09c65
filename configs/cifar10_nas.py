"""Architecture search on CIFAR-10 at the paper's scale (section 5; Table 1).

    python -m gtn_tf.main --config=configs/cifar10_nas.py --mode=search

800 cells of 5 nodes and 11 operations, drawn at random; networks of N = 3 and
F = 32, each trained for the 128 steps of the GTN of configs/cifar10.py. The
truth is 100 epochs of real data, found of the first 128 architectures: the
paper does not say of how many. `--config.search.gtn=WORKDIR` takes a GTN that
is trained already; else it is trained first. Its learners here are the code's,
of fixed widths. Many machines: search.executor='ray', or search.shard and
search.num_shards.

Published: Spearman 0.3606 over all, 0.5582 in the top half by the GTN's
estimate; 16 hours on a P6000, half of them for the meta-training.
Measured: -
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("cifar10")
    config.learner.widths = (64, 128, 128, 256, 256)

    config.search.num_architectures = 800
    config.search.num_nodes = 5
    config.search.num_cells = 3
    config.search.channels = 32
    config.search.evaluators = (
        "gtn",
        "real:steps=128",
        "real:epochs=3",
        "params",
        "flops",
    )
    config.search.truth = "real:epochs=100"
    config.search.truth_num_architectures = 128
    # As in the paper, where every network has random numbers of its own.
    config.search.readout = "accuracy"
    config.search.common_random_numbers = False
    return config
