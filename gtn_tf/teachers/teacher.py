"""What all teachers have in common: their variables, and what they answer.

A teacher's methods are pure functions of `meta_params`, the tensors read from
its variables, so that a replica can differentiate and compile them.
"""

import dataclasses
import math
from collections.abc import Callable

import keras
import tensorflow as tf

from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.teachers.curricula import (
    CurriculumSpec,
    balanced_label_ids,
    draw_label_ids,
    find_curriculum,
    reorder,
)
from gtn_tf.teachers.generator import GeneratorSpec
from gtn_tf.teachers.hyperparameters import HyperparameterSpec
from gtn_tf.types import Batch, SyntheticData

_INITIAL_SOFT_LABEL = 0.9  # share of the label's own class before training

#: (seed [2], number of images) -> a real training batch.
SampleReal = Callable[[tf.Tensor, int], Batch]


@dataclasses.dataclass(frozen=True)
class TeacherSpec:
    """What a teacher is made of.

    Attributes:
      image_shape: (H, W, C).
      num_classes: K.
      num_steps: T, inner steps of a learner.
      batch_size: B, images of an inner step.
      hyperparameters: the inner rates.
      curriculum: the order of batches; not read by source 'real'.
      generator: read by source 'gtn' alone.
      precision: Keras dtype policy name, of the generator; the variables
        have its variable type.
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    num_steps: int
    batch_size: int
    hyperparameters: HyperparameterSpec
    curriculum: CurriculumSpec
    generator: GeneratorSpec
    precision: str


class Teacher(tf.Module):
    """Variables that are meta-trained, and how they become batches.

    Create it in the strategy's scope. A subclass is made of (spec, seed [2] of
    all initial values, sample_real). It adds its own variables, then calls
    `_add_hyperparameters`; their names and order are the checkpoints'.

    Args:
      spec: sizes and choices.

    Attributes:
      variables_by_name: all of the teacher's variables.
      trained_names: those that the meta-gradient reaches.
      shares_data: whether all learners of a meta-step see the same batches.
      label_ids: [T, B] int32, balanced.
      dtype: of the variables.
    """

    shares_data = False

    def __init__(self, spec: TeacherSpec) -> None:
        super().__init__(name="gtn")
        self.spec = spec
        self.dtype = keras.DTypePolicy(spec.precision).variable_dtype
        self.label_ids = balanced_label_ids(
            spec.num_steps, spec.batch_size, spec.num_classes
        )
        self.variables_by_name: dict[str, tf.Variable] = {}
        self.trained_names: list[str] = []

    def _add(self, name: str, value: tf.Tensor, trained: bool = True) -> None:
        variable = tf.Variable(value, trainable=trained, name=name)
        self._register(name, variable, trained)

    def _register(
        self, name: str, variable: tf.Variable, trained: bool
    ) -> None:
        self.variables_by_name[name] = variable
        if trained:
            self.trained_names.append(name)

    def _add_hyperparameters(self) -> None:
        rates = self.spec.hyperparameters
        initial = rates.initial(self.spec.num_steps, self.dtype)
        for name, value in initial.items():
            self._add(name, value, rates.learn_hyperparameters)

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
        return self.spec.hyperparameters.values(meta_params)

    def synthesize(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> SyntheticData:
        """Makes the whole sequence of batches that one learner trains on.

        Args:
          meta_params: from `read`.
          seed: [2], the learner's; unused where all learners share the data.
        """
        raise NotImplementedError


class SyntheticTeacher(Teacher):
    """A teacher whose images are made, in the order of a curriculum.

    A subclass says what images are made from (`_values`), and how (`images`).

    Attributes:
      curriculum: see `curricula.Curriculum`.
    """

    def __init__(self, spec: TeacherSpec) -> None:
        super().__init__(spec)
        self.curriculum = find_curriculum(spec.curriculum.name)
        self.shares_data = self.curriculum.shared

    def _add_label_logits(self) -> None:
        if not self.spec.curriculum.learn_labels:
            return
        num_classes = self.spec.num_classes
        odds = _INITIAL_SOFT_LABEL / (1.0 - _INITIAL_SOFT_LABEL)
        logit = math.log(odds * (num_classes - 1))
        one_hot = tf.one_hot(self.label_ids, num_classes, dtype=self.dtype)
        self._add("label_logits", logit * one_hot)

    def synthesize(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> SyntheticData:
        """See `Teacher`."""
        values, labels = self.inputs(meta_params, seed)
        images = self.images(meta_params, values, labels)
        return SyntheticData(images, labels, self.hyperparameters(meta_params))

    def inputs(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what `synthesize` makes images from, in the same order.

        Returns:
          (noise [T, B, Z], labels [T, B, K]); of distilled images the
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
        return self._values(meta_params, seed), labels

    def _labels(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tf.Tensor:
        if self.spec.curriculum.learn_labels:
            return tf.nn.softmax(meta_params["label_logits"])
        label_ids = self.label_ids
        if self.curriculum.fresh:
            label_ids = draw_label_ids(
                seed, label_ids.shape, self.spec.num_classes
            )
        return tf.one_hot(label_ids, self.spec.num_classes, dtype=self.dtype)

    def _values(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tf.Tensor:
        raise NotImplementedError

    def images(
        self,
        meta_params: dict[str, tf.Tensor],
        values: tf.Tensor,
        labels: tf.Tensor,
    ) -> tf.Tensor:
        """Returns the images [T, B, H, W, C] of `inputs`, in its order."""
        raise NotImplementedError
