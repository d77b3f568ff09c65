"""CIFAR-10 on two CPU cores: few steps, small batches, small networks.

    python -m gtn_tf.main --config=configs/cifar10_cpu.py

Measured (one GTN seed, one core, AMD EPYC, beside other work, float32, TF 2.21,
commit b4bd90d): mean validation accuracy of 10 fresh learners 0.288 after 200
meta-steps, 0.386 after 1000 (24 minutes); test accuracy of 10 fresh learners
0.383; real data with learned rates 0.210, with tuned rates 0.232, distilled
images 0.205, the rates of both meta-trained rivals being MNIST's.

Tried before, 100 meta-steps each, validation accuracy: inner rates 0.05, 0.1
and 0.2 gave 0.239, 0.251 and 0.267; meta-learning rate 0.01 instead of 0.005
gave 0.249.
"""

from ml_collections import config_dict

from configs import mnist_cpu


def get_config() -> config_dict.ConfigDict:
    config = mnist_cpu.get_config()
    config.dataset.name = "cifar10"
    config.meta.num_steps = 5000
    config.meta.validation_every = 250
    return config
