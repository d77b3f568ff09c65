r"""An architecture on CIFAR-10 to the end (arXiv 1912.07768, section 6).

    python -m gtn_tf.main --config=configs/cifar10_retrain.py --mode=retrain \
        --config.retrain.genotype=NAONet-A

NAO's final training, which the paper names: 600 epochs of all 50,000 training
images, N = 6, F = 36, five seeds, test images read once at the end. Cutout is
on; --config.retrain.cutout=0 is the other half of the table. docs/chain.md
tells how to train what a search selected.

Without --config.retrain.genotype it trains GTN-fixed, a cell of the released
code; the paper's own cells are not published.

Published: NAONet-A 2.48 % test error (NAO, its best epoch; 2 days on a P40);
the paper's own cell with Cutout 2.92 +- 0.06 % at 8.2M parameters.
Measured: at a small scale alone, cifar10_16_retrain in docs/results/retrain.md.
"""

from ml_collections import config_dict

from gtn_tf.config.validation import default_config


def get_config() -> config_dict.ConfigDict:
    config = default_config()
    config.dataset.name = "cifar10"

    config.retrain.genotype = "GTN-fixed"
    config.retrain.num_seeds = 5
    config.retrain.num_epochs = 600
    config.retrain.batch_size = 128
    config.retrain.num_cells = 6
    config.retrain.channels = 36
    config.retrain.learning_rate = 0.025
    config.retrain.momentum = 0.9
    config.retrain.weight_decay = 3e-4
    config.retrain.global_clipnorm = 5.0
    config.retrain.dropout_keep = 0.6
    config.retrain.drop_path_keep = 0.8
    config.retrain.auxiliary_weight = 0.4
    config.retrain.cutout = 16
    config.retrain.use_validation = True
    return config
