"""A GTN: a generator, and the curriculum of noise that it is given.

Meta-parameters are the generator's weights, the curriculum (noise, and soft
labels if learned) and the inner hyperparameters of every step.
"""

import tensorflow as tf

from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.teachers.curricula import draw_noise
from gtn_tf.teachers.generator import build_generator, generate
from gtn_tf.teachers.teacher import SampleReal, SyntheticTeacher, TeacherSpec


class GTN(SyntheticTeacher):
    """See `Teacher`.

    Attributes:
      generator: the Keras model.
    """

    def __init__(
        self,
        spec: TeacherSpec,
        seed: tf.Tensor,
        sample_real: SampleReal | None = None,
    ) -> None:
        del sample_real
        super().__init__(spec)
        seed = fold(seed, Purpose.META_PARAMS)
        self.generator = build_generator(
            spec.generator,
            spec.image_shape,
            spec.num_classes,
            fold(seed, 1),
            spec.precision,
        )
        for index, variable in enumerate(self.generator.trainable_variables):
            self._register(f"generator_{index:02d}", variable.value, True)
        if not self.curriculum.fresh:
            noise = draw_noise(fold(seed, 2), self._noise_shape(), self.dtype)
            self._add("noise", noise, self.curriculum.learned)
        self._add_label_logits()
        self._add_hyperparameters()

    def _noise_shape(self) -> tuple[int, int, int]:
        return (*self.label_ids.shape, self.spec.generator.noise_dim)

    def generator_weights(
        self, meta_params: dict[str, tf.Tensor]
    ) -> list[tf.Tensor]:
        """Returns them in the order of `generator.trainable_variables`."""
        return [
            meta_params[f"generator_{index:02d}"]
            for index in range(len(self.generator.trainable_variables))
        ]

    def _values(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> tf.Tensor:
        if self.curriculum.fresh:
            return draw_noise(seed, self._noise_shape(), self.dtype)
        return meta_params["noise"]

    def images(
        self,
        meta_params: dict[str, tf.Tensor],
        values: tf.Tensor,
        labels: tf.Tensor,
    ) -> tf.Tensor:
        """See `SyntheticTeacher`."""
        return generate(
            self.generator,
            self.generator_weights(meta_params),
            values,
            labels,
            self.spec.generator.rematerialize,
        )
