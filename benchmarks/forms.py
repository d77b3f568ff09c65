"""What `benchmarks.meta_step` times: forms of a meta-step as thunks.

All forms of one case see the same numpy data, so that they compute the same
numbers; PyTorch's do too.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """The sizes of one measurement.

    Attributes:
      learner: family, with official widths unless `widths` are given.
      widths: per layer, a number or (low, high) to draw from; None.
      image_shape: (H, W, C).
      num_inner_steps: T.
      batch_size: B, synthetic and real.
      pool_size: of the learner's max-pools.
      optimizer: the inner one.
      meta_loss_every: as `inner.meta_loss_every`.
      generator: (noise_dim, dense widths, channels).
    """

    learner: str = "conv2_fc"
    widths: tuple | None = None
    image_shape: tuple[int, int, int] = (28, 28, 1)
    num_inner_steps: int = 32
    batch_size: int = 128
    pool_size: int = 3
    optimizer: str = "sgd"
    meta_loss_every: int = 0
    generator: tuple = (128, (1024,), (128, 64))


NUM_CLASSES = 10


class Inputs(NamedTuple):
    """Numpy data: images [T, B, H, W, C], labels [T, B, K], rates [T], .."""

    images: np.ndarray
    labels: np.ndarray
    learning_rate: np.ndarray
    momentum: np.ndarray
    real_images: np.ndarray
    real_labels: np.ndarray


def make_inputs(case: Case) -> Inputs:
    """Draws float32 data for a case; always the same."""
    random = np.random.default_rng(0)
    num_steps, batch = case.num_inner_steps, case.batch_size

    def one_hot(*shape: int) -> np.ndarray:
        label_ids = random.integers(0, NUM_CLASSES, shape)
        return np.eye(NUM_CLASSES, dtype=np.float32)[label_ids]

    def images(*shape: int) -> np.ndarray:
        size = (*shape, *case.image_shape)
        return random.standard_normal(size, dtype=np.float32)

    return Inputs(
        images(num_steps, batch),
        one_hot(num_steps, batch),
        np.full(num_steps, 0.02, np.float32),
        np.full(num_steps, 0.5, np.float32),
        images(batch),
        one_hot(batch),
    )


def tensorflow_form(name: str, case: Case) -> Callable:
    """Returns a `tf.function` of no arguments: a key of the forms below."""
    import tensorflow as tf

    from gtn_tf.layers.spec import LayerSpec
    from gtn_tf.learners.families import from_family
    from gtn_tf.meta.inner_loop import initial_state, unroll
    from gtn_tf.meta.inner_optimizers import find_inner_optimizer
    from gtn_tf.meta.inner_problem import InnerProblem
    from gtn_tf.meta.meta_gradient import DATA_GRADIENTS
    from gtn_tf.ops.seeds import root_seed
    from gtn_tf.types import Batch, SyntheticData

    if name.startswith("generator"):
        return _generator_form(name, case)
    inputs = make_inputs(case)
    learner = from_family(
        case.learner,
        case.image_shape,
        NUM_CLASSES,
        case.widths,
        LayerSpec(pool_size=case.pool_size),
    )
    data = tf.nest.map_structure(
        tf.constant,
        SyntheticData(
            inputs.images,
            inputs.labels,
            {
                "learning_rate": inputs.learning_rate,
                "momentum": inputs.momentum,
            },
        ),
    )
    real = Batch(
        tf.constant(inputs.real_images), tf.constant(inputs.real_labels)
    )
    optimizer = find_inner_optimizer(case.optimizer)
    problem = InnerProblem(
        (learner,), optimizer, lambda seed: real, case.meta_loss_every
    )
    seed = root_seed(1)

    def plain() -> list:
        state = initial_state(learner, optimizer, seed)
        state = unroll(learner, optimizer, state, data)
        return tf.nest.flatten(state)

    def meta() -> list:
        gradient_of = DATA_GRADIENTS[name == "remat"]
        return tf.nest.flatten(gradient_of(problem, learner, data, seed))

    return tf.function(plain if name == "plain" else meta, autograph=False)


def _generator_form(name: str, case: Case) -> Callable:
    import tensorflow as tf

    from gtn_tf.ops.seeds import root_seed
    from gtn_tf.teachers.curricula import CurriculumSpec
    from gtn_tf.teachers.generator import GeneratorSpec
    from gtn_tf.teachers.gtn import GTN
    from gtn_tf.teachers.hyperparameters import HyperparameterSpec
    from gtn_tf.teachers.teacher import TeacherSpec

    spec = TeacherSpec(
        image_shape=case.image_shape,
        num_classes=NUM_CLASSES,
        num_steps=case.num_inner_steps,
        batch_size=case.batch_size,
        hyperparameters=HyperparameterSpec("sgd", 0.02, 0.5, True),
        curriculum=CurriculumSpec("full", False),
        generator=GeneratorSpec(*case.generator, name.endswith("remat")),
        precision="float32",
    )
    gtn = GTN(spec, root_seed(0))
    meta_params = gtn.read()
    trained = [meta_params[name] for name in gtn.trained_names]

    def forward() -> list:
        return tf.nest.flatten(gtn.synthesize(meta_params, root_seed(1)))

    def forward_and_backward() -> list:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            data = gtn.synthesize(meta_params, root_seed(1))
        return tape.gradient(
            data,
            trained,
            output_gradients=tf.nest.map_structure(tf.ones_like, data),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    if name == "generator_forward":
        return tf.function(forward, autograph=False)
    return tf.function(forward_and_backward, autograph=False)


def state_bytes(case: Case) -> int:
    """Returns the bytes of parameters and slots of a case's learner."""
    from gtn_tf.layers.spec import LayerSpec
    from gtn_tf.learners.families import from_family
    from gtn_tf.meta.inner_optimizers import find_inner_optimizer
    from gtn_tf.ops.seeds import root_seed

    learner = from_family(
        case.learner,
        case.image_shape,
        NUM_CLASSES,
        case.widths,
        LayerSpec(pool_size=case.pool_size),
    )
    params, _ = learner.init(root_seed(0))
    slots = find_inner_optimizer(case.optimizer).init(params)
    return sum(4 * int(np.prod(t.shape)) for t in [*params, *slots])
