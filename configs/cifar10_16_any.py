"""CIFAR-10 at 16x16 pixels, for any network: as digits_any.

    python -m gtn_tf.main --config=configs/cifar10_16_any.py
    python -m gtn_tf.main --config=configs/cifar10_16_any.py --mode=evaluate \
        --config.evaluation.experiment=any_network

20 steps of 32 images; all else as in mnist_any.

Measured (three seeds, 14 networks with Keras' defaults that it never saw, 6
initialisations each, validation accuracy by `rank`'s rules; 400 meta-steps in 5
minutes of one core, Intel Xeon with AVX-512, beside other work, float32, TF
2.21, trained at commit 9e12b18, measured at ab6ec5d): 0.326; a real subset
0.279, fresh real data 0.275, both at rates tuned for each network, by plain or
normalised updates. It ranks 40 ordinary networks with a correlation of 0.845,
real images 0.841 (commit 92af336). With `--config.inner.num_steps=40
--config.warm_start.num_images=1280 --config.meta.num_steps=200` 0.350, by a
generator (`--config.source=gtn --config.meta.learning_rate=0.002`) 0.324
(commit 22011db). docs/results/any_network.md, any_ranking.md.
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("mnist_any")
    config.dataset.name = "cifar10_16"
    config.inner.num_steps = 20
    # All different.
    config.warm_start.num_images = 20 * config.inner.batch_size
    return config
