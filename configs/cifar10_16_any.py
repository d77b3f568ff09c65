"""CIFAR-10 at 16x16 pixels, for any network: as digits_any.

    python -m gtn_tf.main --config=configs/cifar10_16_any.py
    python -m gtn_tf.main --config=configs/cifar10_16_any.py --mode=evaluate \
        --config.evaluation.experiment=any_network

20 steps of 32 images; all else as in mnist_any.
Measured: -
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("mnist_any")
    config.dataset.name = "cifar10_16"
    config.inner.num_steps = 20
    # All different.
    config.warm_start.num_images = 20 * config.inner.batch_size
    return config
