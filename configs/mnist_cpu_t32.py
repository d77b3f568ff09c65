"""MNIST on two CPU cores at the paper's T and B, with small networks.

    python -m gtn_tf.main --config=configs/mnist_cpu_t32.py

32 inner steps of 128 images; the rest is configs/mnist_cpu.py.
Measured (two GTN seeds, a core each, AMD EPYC with AVX-512, beside other work,
float32, TF 2.21, commit 57edb1a): mean validation accuracy of 10 fresh learners
0.959 and 0.955 after 200 meta-steps, 0.975 and 0.974 after 800 (55 and 71
minutes); test accuracy of 20 fresh learners 0.976 and 0.977; real data with
learned rates 0.958 and 0.957, with tuned rates 0.954 and 0.958. The meta-rate
for real data is that of mnist_cpu.
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("mnist_cpu")
    config.inner.num_steps = 32
    config.inner.batch_size = 128
    config.meta.num_steps = 800
    # As measured; more was not tried here.
    config.meta.noise_rate_ratio = 1.0
    return config
