"""A start from real images, instead of one from random numbers.

Distilled images begin as real ones; a generator is fitted together with its
noise, so that it reproduces them: its mean squared error is made small by
Adam, whose rate falls to 0 by a cosine. The inner rates begin as ever.
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from gtn_tf.teachers.generator import IMAGE_SCALE
from gtn_tf.teachers.teacher import SyntheticTeacher

#: Of IMAGE_SCALE: beyond it the gradient of tanh fades, and of what is out of
#: range there is none.
_LARGEST = 0.95


@dataclasses.dataclass(frozen=True)
class WarmStartSpec:
    """Config keys `warm_start.*`; 0 images: none.

    Attributes:
      num_images: different real images.
      fit_steps: of a generator.
      fit_learning_rate: of Adam, at first.
    """

    num_images: int
    fit_steps: int
    fit_learning_rate: float


def begin_as(
    teacher: SyntheticTeacher,
    real_images: tf.Tensor,
    spec: WarmStartSpec,
    after_step: Callable[[int], None] = lambda step: None,
) -> float:
    """Makes a fresh teacher's images those given; its variables change.

    Args:
      teacher: without a shuffle its images are in the order of `label_ids`.
      real_images: [T, B, H, W, C] in normalised units, of `label_ids`;
        values beyond 0.95 of the synthetic range are cut.
      spec: how a generator is fitted.
      after_step: called with the number of steps done; may raise.

    Returns:
      Mean squared error of what it makes now, in normalised units.
    """
    largest = _LARGEST * IMAGE_SCALE
    targets = tf.cast(
        tf.clip_by_value(real_images, -largest, largest), teacher.dtype
    )
    names = [
        name
        for name in teacher.trained_names
        if name in ("images", "noise") or name.startswith("generator_")
    ]
    if names == ["images"]:
        unbounded = tf.atanh(targets / IMAGE_SCALE)
        teacher.variables_by_name["images"].assign(unbounded)
    else:
        _fit(teacher, names, targets, spec, after_step)
    return float(_error(teacher, teacher.read(), targets))


def _fit(
    teacher: SyntheticTeacher,
    names: list[str],
    targets: tf.Tensor,
    spec: WarmStartSpec,
    after_step: Callable[[int], None],
) -> None:
    meta_params = teacher.read()
    # Copies: the teacher's own may live on several replicas.
    fitted = [tf.Variable(meta_params[name]) for name in names]
    schedule = keras.optimizers.schedules.CosineDecay(
        spec.fit_learning_rate, spec.fit_steps
    )
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(fitted)

    @tf.function(autograph=False)
    def step() -> None:
        values = [tf.convert_to_tensor(v) for v in fitted]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            moved = meta_params | dict(zip(names, values, strict=True))
            error = _error(teacher, moved, targets)
        optimizer.apply(tape.gradient(error, values), fitted)

    for number in range(1, spec.fit_steps + 1):
        step()
        after_step(number)
    for name, variable in zip(names, fitted, strict=True):
        teacher.variables_by_name[name].assign(tf.convert_to_tensor(variable))


def _error(
    teacher: SyntheticTeacher,
    meta_params: dict[str, tf.Tensor],
    targets: tf.Tensor,
) -> tf.Tensor:
    seed = tf.zeros([2], tf.int32)  # what is drawn afresh is refused before
    inputs = teacher.unordered_inputs(meta_params, seed)
    images = teacher.images(meta_params, *inputs)
    return tf.reduce_mean(tf.square(images - targets))
