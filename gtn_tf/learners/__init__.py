"""What is taught: Keras models run as pure functions of their parameters.

Imports `search_spaces` and what is below it. One more family is an entry of
`registry.FAMILIES`; a learner of another kind is a file here that returns a
`functional.Learner`, and a name in `registry.LEARNERS`.
"""
