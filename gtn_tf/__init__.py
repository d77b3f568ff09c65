"""Generative Teaching Networks in TensorFlow and Keras."""
