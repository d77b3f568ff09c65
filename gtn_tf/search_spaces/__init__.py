"""Spaces of architectures, one package each.

Imports `types`, `ops` and `layers`.
"""
