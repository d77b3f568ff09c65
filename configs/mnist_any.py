"""MNIST, for any network: as digits_any.

    python -m gtn_tf.main --config=configs/mnist_any.py
    python -m gtn_tf.main --config=configs/mnist_any.py --mode=evaluate \
        --config.evaluation.experiment=any_network

10 steps of 32 images; of mnist_cpu all but what digits_any changes, and the
images are learned one by one, as a generator's teach other networks less.
Networks are judged by the first 1000 validation images.

Measured (three seeds, 14 networks with Keras' defaults that it never saw,
validation accuracy by `rank`'s rules; 400 meta-steps in 6 minutes of one core,
Intel Xeon with AVX-512, beside other work, float32, TF 2.21, trained at commit
9e12b18, measured at ab6ec5d): 0.629; a real subset 0.592, fresh real data
0.593, both at rates tuned for each network, by plain or normalised updates. At
the best multiple of the learned rates 0.586, a generator's (one seed, 300
meta-steps at 0.002, commit 594cfc3) 0.487. docs/results/any_network.md.
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("mnist_cpu")
    inner = config.inner
    # All different.
    config.warm_start.num_images = inner.num_steps * inner.batch_size

    inner.learning_rate_spread = 1.0

    config.source = "distillation"
    config.meta.num_steps = 400
    config.meta.num_learners = 2
    # At 0.03 other networks lose what the learner gains.
    config.meta.learning_rate = 0.01
    config.meta.validation_every = 50
    config.meta.validation_num_learners = 8

    # For each network of the experiment, of real data.
    config.evaluation.tuning_learning_rates = (0.01, 0.03, 0.1, 0.3)
    config.evaluation.tuning_momenta = (0.0, 0.5, 0.9)
    config.evaluation.tuning_num_learners = 2
    config.evaluation.num_learners = 6
    config.evaluation.num_validation_images = 1000
    return config
