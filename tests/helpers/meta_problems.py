"""Small GTNs and inner problems."""

import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.learners.families import from_family
from gtn_tf.learners.registry import FAMILIES
from gtn_tf.meta.inner_optimizers import find_inner_optimizer
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.ops.seeds import root_seed
from gtn_tf.types import Batch
from tests.helpers.teachers import make_teacher

NUM_CLASSES = 3


IMAGE_SHAPE = (8, 8, 1)


STEP_SEED = root_seed(11)


SMALL_WIDTHS = {
    name: tuple(3 + i % 2 for i in range(len(family.widths)))
    for name, family in FAMILIES.items()
}


def sample_real(seed, dtype="float64"):
    images = tf.random.stateless_normal((5, *IMAGE_SHAPE), seed, dtype=dtype)
    label_ids = tf.random.stateless_uniform(
        (5,), seed, 0, NUM_CLASSES, tf.int32
    )
    return Batch(images, tf.one_hot(label_ids, NUM_CLASSES, dtype=dtype))


def make_problem(
    learner="mlp",
    optimizer="sgd",
    every=0,
    dtype="float64",
    widths=None,
    normalization="mean_only",
    weight_norm=True,
):
    spec = LayerSpec(
        weight_norm=weight_norm,
        normalization=normalization,
        activation=tf.nn.softplus,
        dtype=dtype,
    )
    learners = tuple(
        from_family(
            name, IMAGE_SHAPE, NUM_CLASSES, widths or SMALL_WIDTHS[name], spec
        )
        for name in learner.split(",")
    )
    return InnerProblem(
        learners,
        find_inner_optimizer(optimizer),
        lambda seed: sample_real(seed, dtype),
        every,
    )


def make_gtn(precision="float64", num_steps=2, **choices):
    sizes = {
        "image_shape": IMAGE_SHAPE,
        "num_classes": NUM_CLASSES,
        "noise_dim": 3,
        "dense_widths": (4,),
        "channels": (3, 2),
        "num_steps": num_steps,
        "batch_size": 4,
        "learning_rate": 0.05,
        "precision": precision,
    }
    return make_teacher(root_seed(5), **{**sizes, **choices})
