"""Fashion-MNIST with the settings of `mnist`; not in the paper.

    python -m gtn_tf.main --config=configs/fashion_mnist.py

Measured: -
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("mnist")
    config.dataset.name = "fashion_mnist"
    return config
