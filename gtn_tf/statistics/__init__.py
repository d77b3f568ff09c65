"""Intervals, rank correlation, and means over GTN seeds: NumPy only.

Imports only `types`.
"""
