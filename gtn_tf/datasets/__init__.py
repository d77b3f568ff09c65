"""Real images: reading, splitting, drawing batches.

Imports only what is below: `types` and `ops`.
"""
