"""CIFAR-10 on two CPU cores: few steps, small batches, small networks.

    python -m gtn_tf.main --config=configs/cifar10_cpu.py

Measured: -
"""

from ml_collections import config_dict

from configs import mnist_cpu


def get_config() -> config_dict.ConfigDict:
    config = mnist_cpu.get_config()
    config.dataset.name = "cifar10"
    config.meta.num_steps = 1000
    return config
