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
      num_learners: whose gradients are summed, of `remat` and its peers, one
        after the other, and of `side_by_side`.
      convolution: as `learner.convolution`.
      precision: a Keras policy, of the learner.
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
    num_learners: int = 1
    convolution: str = "direct"
    precision: str = "float32"


NUM_CLASSES = 10

#: Sizes of people with two cores: those of the configs of these names.
SIZES = {
    "digits": Case(
        widths=(32, 64, 64),
        image_shape=(8, 8, 1),
        num_inner_steps=10,
        batch_size=10,
        pool_size=2,
    ),
    "mnist_cpu": Case(
        widths=(16, 32, 64), num_inner_steps=10, batch_size=32, pool_size=2
    ),
    "cifar10_16": Case(
        widths=(16, 32, 64),
        image_shape=(16, 16, 3),
        num_inner_steps=20,
        batch_size=64,
        pool_size=2,
    ),
}


#: The families that peers have too: pooled convolutions, one dense layer.
FAMILY_WIDTHS = {"conv2_fc": (64, 128, 256), "conv3_fc": (64, 128, 256, 256)}


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


def draw_params(case: Case) -> list[np.ndarray]:
    """Draws (kernel, gain, bias or beta) per layer in gtn_tf's order."""
    random = np.random.default_rng(1)
    widths = case.widths or FAMILY_WIDTHS[case.learner]
    height, width, channels = case.image_shape
    shapes = []
    for filters in widths[:-1]:
        shapes.append((3, 3, channels, filters))
        channels, height, width = filters, -(-height // 2), -(-width // 2)
    shapes.append((height * width * channels, widths[-1]))
    shapes.append((widths[-1], NUM_CLASSES))
    params = []
    for shape in shapes:
        fan_in = int(np.prod(shape[:-1]))
        kernel = random.normal(0, np.sqrt(2 / fan_in), shape)
        gain = np.sqrt(np.sum(kernel**2, tuple(range(len(shape) - 1))))
        params += [kernel, gain]
        if len(shape) == 2:
            params.append(np.zeros(shape[-1]))  # bias
        if shape != shapes[-1]:
            params.append(np.zeros(shape[-1]))  # beta
    return [p.astype(np.float32) for p in params]


def peer_form(name: str, case: Case) -> Callable:
    """Returns a thunk: `torch_*` or `jax_*` (extra `peer`)."""
    if name.startswith("torch"):
        from benchmarks.torch_forms import torch_form

        return torch_form(name, case)
    from benchmarks.jax_forms import jax_form

    return jax_form(name, case)


def tensorflow_form(name: str, case: Case) -> Callable:
    """Returns a `tf.function` of no arguments: a key of the forms below."""
    import tensorflow as tf

    from gtn_tf.layers.spec import LayerSpec
    from gtn_tf.learners.families import from_family
    from gtn_tf.meta.inner_loop import initial_state, unroll
    from gtn_tf.meta.inner_optimizers import find_inner_optimizer
    from gtn_tf.meta.inner_problem import InnerProblem
    from gtn_tf.meta.meta_gradient import DATA_GRADIENTS
    from gtn_tf.ops.counted_loop import counted_loop
    from gtn_tf.ops.seeds import fold, root_seed
    from gtn_tf.types import Batch, SyntheticData

    if name.startswith("generator"):
        return _generator_form(name, case)
    inputs = make_inputs(case)
    learner = from_family(
        case.learner,
        case.image_shape,
        NUM_CLASSES,
        case.widths,
        LayerSpec(
            pool_size=case.pool_size,
            convolution=case.convolution,
            dtype=case.precision,
        ),
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
        gradient_of = DATA_GRADIENTS[name != "stored"]

        def one(index: tf.Tensor) -> list:
            its_seed = fold(seed, index)
            return tf.nest.flatten(
                gradient_of(problem, learner, data, its_seed)
            )

        def body(index: tf.Tensor, *sums: tf.Tensor) -> tuple:
            return (index + 1, *map(tf.add, sums, one(index)))

        if name == "side_by_side":
            seeds = [fold(seed, i) for i in range(case.num_learners)]
            return tf.nest.flatten(
                gradient_of(problem, learner, data, tf.stack(seeds))
            )
        sums = one(tf.constant(0))
        others = case.num_learners - 1
        if not others:
            return sums
        return list(counted_loop(others, body, (tf.constant(1), *sums))[1:])

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
