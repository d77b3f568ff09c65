"""Real images, the baseline: nothing but the inner rates is learned."""

import tensorflow as tf

from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.teachers.teacher import SampleReal, Teacher, TeacherSpec
from gtn_tf.types import SyntheticData


class RealImages(Teacher):
    """See `Teacher`; every learner gets a draw of its own."""

    def __init__(
        self, spec: TeacherSpec, seed: tf.Tensor, sample_real: SampleReal
    ) -> None:
        del seed
        super().__init__(spec)
        self._sample_real = sample_real
        self._add_hyperparameters()

    def synthesize(
        self, meta_params: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> SyntheticData:
        """See `Teacher`; the labels are one-hot."""
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
