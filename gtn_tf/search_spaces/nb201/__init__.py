"""The cell space of NAS-Bench-201, whose every network has a known accuracy.

`genotypes`, `structure`, `cost` and `space` import no TensorFlow. The layers,
and what counts them, are those of `search_spaces.cells`.
"""
