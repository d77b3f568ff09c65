"""Meta-steps, compiled."""

from gtn_tf.datasets import loading as data
from gtn_tf.datasets.batches import device_split
from gtn_tf.training.assembly import build_problem, build_teacher
from tests.helpers import tiny


def build(source, learner, widths, precision="float32", **more):
    """Returns a tiny GTN and its problem; `more`: other keys, in `__`."""
    config = tiny.get_config()
    config.update_from_flattened_dict(
        {key.replace("__", "."): value for key, value in more.items()}
    )
    config.source = source
    config.learner.name = learner
    config.learner.pool_size = 2
    config.curriculum.name = "shuffled_batch"
    config.precision = precision
    with config.ignore_type():
        config.learner.widths = widths
    train = device_split(data.load("digits", None, 0), "train")
    return build_teacher(config, train), build_problem(config, train)
