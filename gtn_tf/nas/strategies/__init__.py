"""Which architecture is next: one file per strategy.

A further one is a `strategy.Strategy` in a file here, with its line in
`config.choices.SEARCH_STRATEGIES`; or, in any module, what `search.strategy`
names by an import path. No TensorFlow is needed here.
"""
