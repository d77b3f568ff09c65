r"""The wide form of `cifar10_retrain`: F = 128 (arXiv 1912.07768, section 6).

    python -m gtn_tf.main --config=configs/cifar10_retrain_f128.py \
        --mode=retrain

More weight decay and more drop path, as in NAO's script, which ran on 4 GPUs:
--config.strategy=mirrored splits a batch over all there are.

Without --config.retrain.genotype it trains GTN-fixed, a cell of the released
code; the paper's own cells are not published.

Published: the paper's own cell with Cutout 2.42 +- 0.03 % at 97.9M parameters;
NAONet-A 1.93 % (NAO, its best epoch; 5 days on 4 P40).
Measured: -
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("cifar10_retrain")
    config.retrain.channels = 128
    config.retrain.weight_decay = 5e-4
    config.retrain.drop_path_keep = 0.7
    return config
