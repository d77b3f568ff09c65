"""Digits, for any network: a GTN whose data teach networks it never saw.

    python -m gtn_tf.main --config=configs/digits_any.py
    python -m gtn_tf.main --config=configs/digits_any.py --mode=evaluate \
        --config.evaluation.experiment=any_network

Of configs/digits.py all but two things that are new, images that begin as real
ones and each learner's rates times a random factor, and what goes with them:
fewer meta-steps, of two learners, at a lower meta-learning rate. With
`--config.learner.pool=ordinary --config.learner.widths=None` its learners are
ordinary networks drawn from a pool instead of one small one, which costs more
and teaches less.

Measured (three GTN seeds, 14 networks with Keras' defaults that it never saw, 6
initialisations each, validation accuracy by `rank`'s rules; 300 meta-steps in
1.5 minutes of one core, Intel Xeon with AVX-512, beside other work, float32, TF
2.21, trained at commit 9e12b18, measured at 92af336): 0.776; a real subset and
fresh real data 0.723, both at rates tuned for each network, by plain or
normalised updates. At the best multiple of the learned rates 0.773, with the
pool (commit 56c0898) 0.712. It ranks 40 ordinary networks with a correlation
of 0.628, real images by plain updates 0.646, by normalised ones 0.561 (commit
22011db). docs/results/any_network.md, any_ranking.md.
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("digits")
    inner = config.inner
    # All different.
    config.warm_start.num_images = inner.num_steps * inner.batch_size

    inner.learning_rate_spread = 1.0

    config.meta.num_steps = 300
    config.meta.num_learners = 2
    # Below that of a random start, which it would lead back to.
    config.meta.learning_rate = 0.002
    config.meta.validation_every = 50
    config.meta.validation_num_learners = 8

    # For each network of the experiment, of real data.
    config.evaluation.tuning_learning_rates = (0.01, 0.03, 0.1, 0.3)
    config.evaluation.tuning_momenta = (0.0, 0.5, 0.9)
    config.evaluation.tuning_num_learners = 2
    config.evaluation.num_learners = 6
    return config
