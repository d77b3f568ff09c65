"""Experiments, one command each: a question, its run, its table, its figure.

`--mode=evaluate --config.evaluation.experiment=NAME`. It may import every
package up to `nas`; at import neither this nor the module of an
experiment brings TensorFlow, for reports show table and figure without it:
what trains is imported by its `run`. One more is a module with an `Experiment`
and its line in `config.choices.EXPERIMENTS`, or, outside the project, what
`--config.evaluation.experiment=package.module:EXPERIMENT` names.
"""
