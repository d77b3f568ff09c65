"""MNIST on two CPU cores: few steps, small batches, small networks.

    python -m gtn_tf.main --config=configs/mnist_cpu.py

Measured (one GTN seed, one core, AMD EPYC with AVX-512, beside other work,
float32, TF 2.21, commit 21f4e28; compared at 6b53312): mean validation accuracy
of 10 fresh learners 0.910 after 400 meta-steps (2 minutes), 0.940 after 2000
(10 minutes); test accuracy of 20 fresh learners 0.945; real data with learned
rates 0.843, with tuned rates 0.855, a real subset 0.847, distilled images
0.929.
"""

from ml_collections import config_dict

from gtn_tf.config.validation import default_config


def get_config() -> config_dict.ConfigDict:
    config = default_config()
    config.dataset.name = "mnist"

    config.generator.noise_dim = 64
    config.generator.dense_widths = (256,)
    config.generator.channels = (32, 16)

    config.learner.name = "conv2_fc"
    config.learner.widths = (16, 32, 64)
    config.learner.pool_size = 2

    config.inner.num_steps = 10
    config.inner.batch_size = 32
    # The paper's 0.02 is far too slow for ten steps.
    config.inner.learning_rate = 0.2
    config.inner.meta_loss_every = 1

    config.meta.num_steps = 2000
    config.meta.batch_size = 64
    config.meta.learning_rate = 0.005
    # It learns faster so: docs/results/meta_training.md.
    config.meta.noise_rate_ratio = 3.0
    # As in digits: each meta-gradient becomes a direction.
    config.meta.global_clipnorm = 0.1
    config.meta.validation_every = 200
    config.meta.validation_num_learners = 10

    # The best of 0.02, 0.05, 0.1 and 0.3 for distillation after 300 meta-steps,
    # by validation; real data stop improving after 200 meta-steps.
    config.evaluation.meta_learning_rates = (0.05,)
    return config
