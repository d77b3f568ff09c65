"""The config: every key, its default and its range; no TensorFlow here.

`configs/<name>.py` starts from `default_config()` and overrides. A new key is
a line in the module of its group.
"""

from gtn_tf.config.validation import (
    FIELDS,
    default_config,
    flatten,
    unknown_key_error,
    validate,
)

__all__ = [
    "FIELDS",
    "default_config",
    "flatten",
    "unknown_key_error",
    "validate",
]
