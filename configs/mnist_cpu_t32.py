"""MNIST on two CPU cores at the paper's T and B, with small networks.

    python -m gtn_tf.main --config=configs/mnist_cpu_t32.py

32 inner steps of 128 images; the rest is configs/mnist_cpu.py.
Estimated: 40 minutes on one core, 3 seconds a meta-step.
Measured: -
"""

from ml_collections import config_dict

from configs import mnist_cpu


def get_config() -> config_dict.ConfigDict:
    config = mnist_cpu.get_config()
    config.inner.num_steps = 32
    config.inner.batch_size = 128
    config.meta.num_steps = 800
    return config
