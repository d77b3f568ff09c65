"""Small functions of tensors: seeds, counted loops.

Imports only `types`. A new one is a file named after what it computes.
"""
