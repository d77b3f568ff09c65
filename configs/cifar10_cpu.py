"""CIFAR-10 on two CPU cores: few steps, small batches, small networks.

    python -m gtn_tf.main --config=configs/cifar10_cpu.py

Measured (one GTN seed, one core, AMD EPYC with AVX-512, beside other work,
float32, TF 2.21, commit 21f4e28; compared at 6b53312): mean validation accuracy
of 10 fresh learners 0.373 after 1000 meta-steps (6 minutes), 0.411 after 5000
(32 minutes); test accuracy of 20 fresh learners 0.415; real data with learned
rates 0.211, with tuned rates 0.281, a real subset 0.286.

Of the learned rivals, 600 meta-steps at meta-learning rates 0.02, 0.05 and 0.1
(one seed, commit 6c62084), validation accuracy: real data 0.214, 0.213 and
0.212, distilled images 0.177, 0.182 and 0.159, the GTN 0.372. Distilled images
at 0.005, and at 0.02 with initial inner rates of 0.05: 0.146 and 0.175.
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("mnist_cpu")
    config.dataset.name = "cifar10"
    config.meta.num_steps = 5000
    config.meta.validation_every = 250
    return config
