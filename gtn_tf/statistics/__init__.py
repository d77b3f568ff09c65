"""Intervals, rank correlation, and means over GTN seeds: NumPy only.

May import `types` alone. A new statistic is a function of arrays that says in
its docstring what the values are independent draws of.
"""
