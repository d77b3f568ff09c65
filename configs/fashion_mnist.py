"""Fashion-MNIST with the settings of `mnist`; not in the paper.

    python -m gtn_tf.main --config=configs/fashion_mnist.py

Measured: -
"""

from ml_collections import config_dict

from configs import mnist


def get_config() -> config_dict.ConfigDict:
    config = mnist.get_config()
    config.dataset.name = "fashion_mnist"
    return config
