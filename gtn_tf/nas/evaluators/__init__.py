"""How good an architecture is: one file per kind of evaluator.

A further one is a subclass of `evaluator.Evaluator` in a file here, with its
line in `registry.EVALUATORS` and its name in `config.evaluator_names`; or, in
any module, what `search.evaluators` names by an import path. `nas` imports
what is before it in the order of packages.
"""
