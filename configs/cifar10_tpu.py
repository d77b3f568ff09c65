"""CIFAR-10 at the paper's scale on a TPU v5e-8: a learner per core.

    python -m gtn_tf.main --config=configs/cifar10_tpu.py

As configs/cifar10.py, but the meta-gradient is the mean over 8 learners, and
matrix products are in bfloat16. launch/README.md says how to get the TPU.

Measured: -
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("cifar10")
    config.meta.num_learners = 8
    config.strategy = "tpu"
    config.precision = "mixed_bfloat16"
    config.jit_compile = True
    return config
