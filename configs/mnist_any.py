"""MNIST, for any network: as digits_any.

    python -m gtn_tf.main --config=configs/mnist_any.py
    python -m gtn_tf.main --config=configs/mnist_any.py --mode=evaluate \
        --config.evaluation.experiment=any_network

10 steps of 32 images; of mnist_cpu all but what digits_any changes. Networks
are judged by the first 1000 validation images.

Measured (one GTN seed, 14 networks with Keras' defaults that it never saw,
validation accuracy at the best of a few multiples of the learned rates; 300
meta-steps in 11 minutes of one core, AMD EPYC with AVX2, beside other work,
float32, TF 2.21, commit 594cfc3): 0.487; a real subset 0.553, fresh real data
0.564, both at rates tuned for each network. docs/results/any_network.md.
"""

from ml_collections import config_dict

from configs import digits_any, mnist_cpu


def get_config() -> config_dict.ConfigDict:
    config = mnist_cpu.get_config()
    config.evaluation.num_validation_images = 1000
    return digits_any.for_any_network(config)
