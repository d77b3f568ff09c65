"""Generative Teaching Networks in TensorFlow and Keras."""

import os
from typing import Any

# Before TensorFlow is imported. It switches oneDNN's kernels on by itself on
# newer CPUs only; on others too they are up to 1.7 times as fast here.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from gtn_tf import nas
from gtn_tf.export.load import Teacher, load

__version__ = "0.1.0"

__all__ = ["Teacher", "load", "nas"]


def __getattr__(name: str) -> Any:
    """`gtn_tf.data`, as the module of data sets was called once."""
    if name == "data":
        from gtn_tf.datasets import loading

        return loading
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
