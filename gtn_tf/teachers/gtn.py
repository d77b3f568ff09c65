"""A GTN: everything that is meta-trained, and how it becomes batches.

Meta-parameters are the generator's weights, the curriculum (noise, and soft
labels if learned) and the inner hyperparameters of every step. With
source='distillation' the images themselves take the place of generator and
noise; with source='real', the baseline, batches are real and nothing but the
inner hyperparameters is learned. Methods are pure functions of `meta_params`,
the tensors read from the variables, so that a replica can differentiate and
compile them.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.teachers.curricula import (
    CURRICULA,
    balanced_label_ids,
    draw_label_ids,
    draw_noise,
    reorder,
)
from gtn_tf.teachers.generator import (
    IMAGE_SCALE,
    build_generator,
    generate,
)
from gtn_tf.types import Batch, SyntheticData

_INITIAL_SOFT_LABEL = 0.9  # share of the label's own class before training
_SMALLEST = 1e-6  # lets a momentum of 0 start in log space

#: Free variable <-> value in use: (to free, from free).
_TRANSFORMS = {
    "log": (lambda v: tf.math.log(tf.maximum(v, _SMALLEST)), tf.exp),
    "logit": (
        lambda v: -tf.math.log(1.0 / tf.maximum(v, _SMALLEST) - 1.0),
        tf.sigmoid,
    ),
}


class GTNSpec(NamedTuple):
    """The sizes and choices that define a GTN; keys as in `config.py`."""

    image_shape: tuple[int, int, int]
    num_classes: int
    source: str = "gtn"
    noise_dim: int = 128
    dense_widths: tuple[int, ...] = (1024,)
    channels: tuple[int, int] = (128, 64)
    rematerialize_generator: bool = False
    curriculum: str = "full"
    learn_labels: bool = False
    num_inner_steps: int = 32
    inner_batch_size: int = 128
    inner_optimizer: str = "sgd"
    inner_learning_rate: float = 0.02
    inner_momentum: float = 0.5
    learn_hyperparameters: bool = True


class GTN(tf.Module):
    """The meta-parameters; create it in the strategy's scope.

    Args:
      spec: see `GTNSpec`.
      seed: [2], for all initial values.
      dtype: Keras dtype policy name of the generator.
      sample_real: (seed [2], number of images) -> a real training batch;
        needed by source 'real' alone.

    Attributes:
      variables_by_name: all of the GTN's variables.
      trained_names: those that the meta-gradient reaches.
      shares_data: whether all learners of a meta-step see the same batches.
    """

    def __init__(
        self,
        spec: GTNSpec,
        seed: tf.Tensor,
        dtype: str = "float32",
        sample_real: Callable[[tf.Tensor, int], Batch] | None = None,
    ) -> None:
        super().__init__(name="gtn")
        self.spec = spec
        self.curriculum = CURRICULA[spec.curriculum]
        self.shares_data = self.curriculum.shared and spec.source != "real"
        self._sample_real = sample_real
        self.dtype = keras.DTypePolicy(dtype).variable_dtype
        self.label_ids = balanced_label_ids(
            spec.num_inner_steps, spec.inner_batch_size, spec.num_classes
        )
        self.variables_by_name: dict[str, tf.Variable] = {}
        self.trained_names: list[str] = []
        self.generator = None
        seed = fold(seed, Purpose.META_PARAMS)
        sequence = (spec.num_inner_steps, spec.inner_batch_size)
        if spec.source == "distillation":
            noise = draw_noise(seed, (*sequence, *spec.image_shape), self.dtype)
            self._add("images", noise)
        elif spec.source == "gtn":
            self._add_generator(fold(seed, 1), dtype)
            if not self.curriculum.fresh:
                shape = (*sequence, spec.noise_dim)
                noise = draw_noise(fold(seed, 2), shape, self.dtype)
                self._add("noise", noise, self.curriculum.learned)
        if spec.learn_labels:
            self._add("label_logits", self._initial_label_logits())
        self._add_hyperparameters()

    def _add(self, name: str, value: tf.Tensor, trained: bool = True) -> None:
        variable = tf.Variable(value, trainable=trained, name=name)
        self._register(name, variable, trained)

    def _register(
        self, name: str, variable: tf.Variable, trained: bool
    ) -> None:
        self.variables_by_name[name] = variable
        if trained:
            self.trained_names.append(name)

    def _add_generator(self, seed: tf.Tensor, dtype: str) -> None:
        spec = self.spec
        self.generator = build_generator(
            spec.image_shape,
            spec.num_classes,
            spec.noise_dim,
            spec.dense_widths,
            spec.channels,
            seed,
            dtype,
        )
        for index, variable in enumerate(self.generator.trainable_variables):
            self._register(f"generator_{index:02d}", variable.value, True)

    def _add_hyperparameters(self) -> None:
        spec = self.spec
        initial = {
            "learning_rate": spec.inner_learning_rate,
            "momentum": spec.inner_momentum,
        }
        for name, value in initial.items():
            constant = tf.constant(value, self.dtype, [spec.num_inner_steps])
            to_free = _TRANSFORMS[self._transform(name)][0]
            self._add(
                f"inner_{name}", to_free(constant), spec.learn_hyperparameters
            )

    def _transform(self, name: str) -> str:
        # Adam's momentum is beta_1, which must stay below 1.
        is_beta = self.spec.inner_optimizer == "adam" and name == "momentum"
        return "logit" if is_beta else "log"

    def _initial_label_logits(self) -> tf.Tensor:
        spec = self.spec
        odds = _INITIAL_SOFT_LABEL / (1.0 - _INITIAL_SOFT_LABEL)
        logit = math.log(odds * (spec.num_classes - 1))
        one_hot = tf.one_hot(self.label_ids, spec.num_classes, dtype=self.dtype)
        return logit * one_hot

    def read(self) -> dict[str, tf.Tensor]:
        """Returns the present values, the `meta_params` of all functions."""
        return {
            name: tf.convert_to_tensor(variable)
            for name, variable in self.variables_by_name.items()
        }

    def trained_variables(self) -> list[tf.Variable]:
        """Returns the variables in the order of `trained_names`."""
        return [self.variables_by_name[name] for name in self.trained_names]

    def hyperparameters(
        self, meta_params: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Returns {"learning_rate": [T], "momentum": [T]}, as used."""
        return {
            name: _TRANSFORMS[self._transform(name)][1](
                meta_params[f"inner_{name}"]
            )
            for name in ("learning_rate", "momentum")
        }

    def synthesize(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> SyntheticData:
        """Makes the whole sequence of batches that one learner trains on.

        Args:
          meta_params: from `read`.
          seed: [2], the learner's; unused where the curriculum is shared.
        """
        if self.spec.source == "real":
            return self._draw_real(meta_params, seed)
        values, labels = self.inputs(meta_params, seed)
        images = self._images(meta_params, values, labels)
        return SyntheticData(images, labels, self.hyperparameters(meta_params))

    def inputs(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what `synthesize` makes images from, in the same order.

        Returns:
          (noise [T, B, Z], labels [T, B, K]); with source='distillation' the
          unbounded images [T, B, H, W, C] instead of noise.
        """
        values, labels = self.unordered_inputs(meta_params, seed)
        if self.curriculum.draw_order is not None:
            # Labels and noise move together; the learned rates belong to the
            # position in the sequence and stay.
            order = self.curriculum.draw_order(
                fold(seed, Purpose.CURRICULUM), *self.label_ids.shape
            )
            values, labels = reorder(values, order), reorder(labels, order)
        return values, labels

    def unordered_inputs(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `inputs` before the learner's shuffle: as meta-trained.

        Unless the curriculum draws afresh, the labels are, or started from,
        `label_ids`.
        """
        seed = fold(seed, Purpose.CURRICULUM)
        labels = self._labels(meta_params, seed)
        if self.generator is None:
            values = meta_params["images"]
        elif self.curriculum.fresh:
            shape = (*self.label_ids.shape, self.spec.noise_dim)
            values = draw_noise(seed, shape, self.dtype)
        else:
            values = meta_params["noise"]
        return values, labels

    def generator_weights(
        self, meta_params: dict[str, tf.Tensor]
    ) -> list[tf.Tensor]:
        """Returns them in the order of `generator.trainable_variables`."""
        return [
            meta_params[f"generator_{index:02d}"]
            for index in range(len(self.generator.trainable_variables))
        ]

    def _draw_real(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> SyntheticData:
        batch = self._sample_real(
            fold(seed, Purpose.CURRICULUM), self.label_ids.shape.num_elements()
        )
        images, labels = (
            tf.reshape(
                tf.cast(values, self.dtype),
                (*self.label_ids.shape, *values.shape[1:]),
            )
            for values in batch
        )
        return SyntheticData(images, labels, self.hyperparameters(meta_params))

    def _labels(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tf.Tensor:
        if self.spec.learn_labels:
            return tf.nn.softmax(meta_params["label_logits"])
        label_ids = self.label_ids
        if self.curriculum.fresh:
            label_ids = draw_label_ids(
                seed, label_ids.shape, self.spec.num_classes
            )
        return tf.one_hot(label_ids, self.spec.num_classes, dtype=self.dtype)

    def _images(
        self,
        meta_params: dict[str, tf.Tensor],
        values: tf.Tensor,
        labels: tf.Tensor,
    ) -> tf.Tensor:
        if self.generator is None:
            return IMAGE_SCALE * tf.tanh(values)
        return generate(
            self.generator,
            self.generator_weights(meta_params),
            values,
            labels,
            self.spec.rematerialize_generator,
        )
