"""CIFAR-10 at 16x16 pixels, for any network: as digits_any.

    python -m gtn_tf.main --config=configs/cifar10_16_any.py
    python -m gtn_tf.main --config=configs/cifar10_16_any.py --mode=evaluate \
        --config.evaluation.experiment=any_network

20 steps of 32 images; of mnist_cpu all but these and what digits_any changes.
Measured: -
"""

from ml_collections import config_dict

from configs import digits_any, mnist_cpu


def get_config() -> config_dict.ConfigDict:
    config = mnist_cpu.get_config()
    config.dataset.name = "cifar10_16"
    config.inner.num_steps = 20
    config.evaluation.num_validation_images = 1000
    return digits_any.for_any_network(config)
