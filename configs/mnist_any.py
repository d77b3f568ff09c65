"""MNIST, for any network: as digits_any.

    python -m gtn_tf.main --config=configs/mnist_any.py
    python -m gtn_tf.main --config=configs/mnist_any.py --mode=evaluate \
        --config.evaluation.experiment=any_network

10 steps of 32 images; of mnist_cpu all but what digits_any changes.
"""

from ml_collections import config_dict

from configs import digits_any, mnist_cpu


def get_config() -> config_dict.ConfigDict:
    config = mnist_cpu.get_config()
    config.evaluation.num_validation_images = 1000
    return digits_any.for_any_network(config)
