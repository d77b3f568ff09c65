"""Which architecture is next: a file per strategy, and what it draws from.

A further one is a `strategy.Strategy` in a file here, with its line in
`config.choices.SEARCH_STRATEGIES`; or, in any module, what `search.strategy`
names by an import path. At import none brings TensorFlow; `nao` does when it
first trains its networks.
"""
