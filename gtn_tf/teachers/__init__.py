"""What is meta-trained: the generator, curricula, and the GTN of both.

Imports `learners` and what is below it.
"""
