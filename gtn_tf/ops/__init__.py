"""Small functions of tensors: seeds, counted loops, vectorization.

Imports only `types`. A new one is a file named after what it computes.
"""
