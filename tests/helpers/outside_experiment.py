"""An experiment that is none of the project's: it trains nothing."""

from gtn_tf.experiments.experiment import Experiment
from gtn_tf.figures.style import new_figure


def run(config, folder):
    import tensorflow as tf
    from tensorflow.python.framework import config as tensorflow_config

    rounds = tf.config.experimental.tensor_float_32_execution_enabled()
    return {
        "num_steps": config.inner.num_steps,
        "is_deterministic": tensorflow_config.is_op_determinism_enabled(),
        "rounds_factors": rounds,
    }


def table(result):
    return f"{result['dataset']}: {result['num_steps']} inner steps"


def figure(result):
    drawn = new_figure(200, 200)
    drawn.subplots().plot([0, result["num_steps"]], [0, 1])
    return drawn


EXPERIMENT = Experiment("How many steps?", run, table, figure)
