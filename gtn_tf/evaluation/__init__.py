"""Compares a GTN with other sources of training data.

It may import every package up to `export`. `assembly` turns the config into a
`Setting`, which all below it takes. One more source is a function of a
`Setting` in `baselines`, and its line in `config.choices.BASELINES`.
"""
