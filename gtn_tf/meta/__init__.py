"""The mathematics: inner loop, meta-loss, meta-gradient, meta-step.

Pure functions of tensors; the apply of `meta_step` is the only mutation.
"""
