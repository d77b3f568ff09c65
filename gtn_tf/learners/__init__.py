"""What is taught: Keras models run as pure functions of their parameters.

Imports `search_spaces` and what is below it.
"""
