"""Generative Teaching Networks in TensorFlow and Keras."""

from gtn_tf import nas
from gtn_tf.teacher import Teacher, load

__version__ = "0.1.0"

__all__ = ["Teacher", "load", "nas"]
