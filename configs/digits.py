"""Digits: scikit-learn's real 8x8 images; nothing is downloaded.

    python -m gtn_tf.main --config=configs/digits.py

The few-step regime: 10 inner steps of 10 images, a tenth of an epoch, where a
GTN pays most. Small networks for two CPU cores.

Measured (one GTN seed, 20 fresh learners, 600 meta-steps in 59 seconds on one
core, AMD EPYC with AVX-512, beside other work, float32, TF 2.21, commit
6b53312): test accuracy 0.893; real data with learned rates 0.803, with tuned
rates 0.804, a real subset 0.851, distilled images 0.910. On two quiet cores the
quick start took 3 minutes 45 seconds (commit c9c988a).
"""

from ml_collections import config_dict

from gtn_tf.config.validation import default_config


def get_config() -> config_dict.ConfigDict:
    config = default_config()
    config.dataset.name = "digits"

    config.generator.noise_dim = 64
    config.generator.dense_widths = (256,)
    config.generator.channels = (32, 16)

    config.learner.name = "conv2_fc"
    config.learner.widths = (32, 64, 64)
    config.learner.pool_size = 2

    config.inner.num_steps = 10
    config.inner.batch_size = 10
    # The paper's 0.02 is far too slow for ten steps.
    config.inner.learning_rate = 0.1
    config.inner.meta_loss_every = 1

    config.meta.num_steps = 600
    config.meta.batch_size = 64
    config.meta.learning_rate = 0.01
    # It learns faster so: docs/results/meta_training.md.
    config.meta.noise_rate_ratio = 3.0
    # Below every norm seen (3 to 175): each meta-gradient becomes a direction,
    # so that the few steep ones do not fill Adam's second moment.
    config.meta.global_clipnorm = 0.1
    config.meta.validation_every = 50
    config.meta.validation_num_learners = 20

    # The best of 0.01, 0.03 and 0.1 for both baselines by validation.
    config.evaluation.meta_learning_rates = (0.1,)
    return config
