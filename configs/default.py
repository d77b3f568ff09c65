"""Every key at its default: the base of the command that a report prints.

    python -m gtn_tf.main --config=configs/default.py

Measured: -
"""

from ml_collections import config_dict

from gtn_tf.config.validation import default_config


def get_config() -> config_dict.ConfigDict:
    return default_config()
