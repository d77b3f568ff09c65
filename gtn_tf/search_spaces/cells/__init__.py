"""The cell space of the paper: genotypes and the networks that they stand for.

`operations`, `genotypes`, `structure` and `cost` import no TensorFlow.
"""
