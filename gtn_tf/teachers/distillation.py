"""Distilled images: the images themselves are learned, without a generator.

Dataset distillation (Wang et al. 2018), through the same inner and outer loop.
"""

import tensorflow as tf

from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.teachers.curricula import draw_noise
from gtn_tf.teachers.generator import IMAGE_SCALE
from gtn_tf.teachers.teacher import SampleReal, SyntheticTeacher, TeacherSpec


class DistilledImages(SyntheticTeacher):
    """See `Teacher`; there is no noise, so no curriculum that draws it."""

    def __init__(
        self,
        spec: TeacherSpec,
        seed: tf.Tensor,
        sample_real: SampleReal | None = None,
    ) -> None:
        del sample_real
        super().__init__(spec)
        shape = (*self.label_ids.shape, *spec.image_shape)
        seed = fold(seed, Purpose.META_PARAMS)
        self._add("images", draw_noise(seed, shape, self.dtype))
        self._add_label_logits()
        self._add_hyperparameters()

    def _values(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tf.Tensor:
        del seed
        return meta_params["images"]

    def images(
        self,
        meta_params: dict[str, tf.Tensor],
        values: tf.Tensor,
        labels: tf.Tensor,
    ) -> tf.Tensor:
        """See `SyntheticTeacher`."""
        del meta_params, labels
        return IMAGE_SCALE * tf.tanh(values)
