"""GTNs as TensorFlow modules."""

import tensorflow as tf

from gtn_tf.export import saved_model as exported_gtn
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from tests.helpers.teachers import SPEC, make_teacher

NUM_STEPS, BATCH_SIZE = SPEC.num_steps, SPEC.batch_size
NUM_CLASSES = SPEC.num_classes
#: Terms of the sums behind a pixel: two dense layers, two convolutions.
NUM_ROUNDINGS = (5 + 3) + 16 + 9 * 8 + 9 * 6


def step_seed():
    # A function, for a tensor here would take the devices of forked runs.
    return fold(root_seed(0), Purpose.VALIDATION)


def learner_seed():
    """Of the first learner of the "step" above."""
    return fold(step_seed(), 0)


def build(**changes):
    sizes = {"dense_widths": (16,), "channels": (8, 6), **changes}
    gtn = make_teacher(root_seed(3), **sizes)
    for name, variable in gtn.variables_by_name.items():
        # No two examples' labels, no two steps' rates alike.
        if name == "label_logits" or name.startswith("inner_"):
            change = tf.random.stateless_normal(variable.shape, [1, 2])
            variable.assign_add(0.1 * change)
    return gtn


def exported(gtn):
    return exported_gtn.ExportedGTN(gtn, gtn.read(), learner_seed())
