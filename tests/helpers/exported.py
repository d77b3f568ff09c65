"""GTNs as TensorFlow modules."""

import tensorflow as tf

from gtn_tf.export import saved_model as exported_gtn
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.teachers.gtn import GTN, GTNSpec

NUM_STEPS, BATCH_SIZE, NUM_CLASSES = 4, 6, 3
#: Terms of the sums behind a pixel: two dense layers, two convolutions.
NUM_ROUNDINGS = (5 + 3) + 16 + 9 * 8 + 9 * 6


SPEC = GTNSpec(
    image_shape=(8, 8, 1),
    num_classes=NUM_CLASSES,
    noise_dim=5,
    dense_widths=(16,),
    channels=(8, 6),
    num_inner_steps=NUM_STEPS,
    inner_batch_size=BATCH_SIZE,
)


def step_seed():
    # A function, for a tensor here would take the devices of forked runs.
    return fold(root_seed(0), Purpose.VALIDATION)


def learner_seed():
    """Of the first learner of the "step" above."""
    return fold(step_seed(), 0)


def build(**changes):
    gtn = GTN(SPEC._replace(**changes), root_seed(3))
    for name, variable in gtn.variables_by_name.items():
        # No two examples' labels, no two steps' rates alike.
        if name == "label_logits" or name.startswith("inner_"):
            change = tf.random.stateless_normal(variable.shape, [1, 2])
            variable.assign_add(0.1 * change)
    return gtn


def exported(gtn):
    return exported_gtn.ExportedGTN(gtn, gtn.read(), learner_seed())
