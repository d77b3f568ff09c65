"""CIFAR-10 at the paper's scale (arXiv 1912.07768, section 4; Fig. 3).

    python -m gtn_tf.main --config=configs/cifar10.py

128 inner steps of 128 synthetic images; real batches of 256, cropped and
flipped. Random widths as in the paper; the official code fixes them to
(64, 128, 128, 256, 256). Adam's constants and the meta-loss every 16 inner
steps are the code's, the meta learning rate is the paper's (the code has
0.004).

Published: 8 hours on a P6000; no accuracy is given in numbers.
Measured: 2 meta-steps on 2 cores (AMD EPYC), 1160 s each (39 CPU minutes), 7.9
GB at most, after 7 s of tracing; meta-loss (sum of 8) 21.5 and 22.4, one fresh
learner after them 0.161 on validation data; float32, TF 2.21, commit
9f58100. Accuracy: -
"""

from ml_collections import config_dict

from gtn_tf.config.validation import default_config


def get_config() -> config_dict.ConfigDict:
    config = default_config()
    config.dataset.name = "cifar10"

    config.generator.noise_dim = 128
    config.generator.dense_widths = (1024,)
    config.generator.channels = (128, 64)
    # The activations of 128 x 128 images would take about 20 GB.
    config.generator.rematerialize = True

    config.learner.name = "conv5_pool"
    config.learner.widths = (
        (32, 128),
        (64, 256),
        (64, 256),
        (64, 256),
        (64, 256),
    )

    config.inner.num_steps = 128
    config.inner.batch_size = 128
    config.inner.learning_rate = 0.02
    config.inner.momentum = 0.5
    config.inner.meta_loss_every = 16

    config.meta.num_steps = 2000
    config.meta.batch_size = 256
    config.meta.learning_rate = 0.002
    config.meta.adam_beta_1 = 0.9
    config.meta.adam_beta_2 = 0.9
    config.meta.adam_epsilon = 1e-5
    config.meta.validation_every = 50
    config.checkpoint.every_steps = 10
    return config
