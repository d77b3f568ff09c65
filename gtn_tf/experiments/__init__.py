"""The paper's supervised experiments, one command each.

`--mode=evaluate --config.evaluation.experiment=NAME`; `catalog` lists them.
"""
