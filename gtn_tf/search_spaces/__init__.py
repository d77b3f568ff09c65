"""Spaces of architectures, one package each, behind `protocol.Space`.

Imports `types`, `import_paths`, `ops`, `layers` and packages before them. A
further space is a folder with a `Space`, and its line in `registry.SPACES`.
"""
