"""Data beyond the steps and batches that a GTN was meta-trained with."""

from collections.abc import Callable

import tensorflow as tf

from gtn_tf.evaluation.baselines import real_tuned
from gtn_tf.evaluation.sources import Setting, Source
from gtn_tf.export.saved_model import ExportedGTN
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.teachers.curricula import balanced_label_ids
from gtn_tf.teachers.gtn import GTN
from gtn_tf.types import SyntheticData


def repeated(
    gtn: ExportedGTN, num_steps: int
) -> Callable[[tf.Tensor], SyntheticData]:
    """Returns the curriculum over again, the same for every learner."""
    arrays = {name: tf.convert_to_tensor(a) for name, a in gtn.arrays.items()}
    order = tf.range(num_steps) % arrays["images"].shape[0]
    data = _synthetic(*(tf.gather(a, order) for a in arrays.values()))
    return lambda seed: data


def sampled(
    gtn: ExportedGTN,
    num_steps: int,
    batch_size: int,
    num_kept: int | None = None,
) -> Callable[[tf.Tensor], SyntheticData]:
    """Returns the curriculum's steps, then samples that are the learner's own.

    Samples fill up larger batches too.

    Args:
      gtn: that makes them.
      num_steps: at least the curriculum's.
      batch_size: at least the curriculum's.
      num_kept: how many of the curriculum's steps come first; None: all.
    """
    arrays = [tf.convert_to_tensor(a) for a in gtn.arrays.values()]
    images, labels = (values[:num_kept] for values in arrays[:2])
    known_steps, known_batch = images.shape[:2]
    label_ids = balanced_label_ids(num_steps, batch_size, labels.shape[-1])

    def synthesize(seed: tf.Tensor) -> SyntheticData:
        made = gtn.endpoints["sample"](
            tf.reshape(label_ids, [-1]), fold(seed, Purpose.CURRICULUM)
        )
        filled = []
        for name, known in (("images", images), ("labels", labels)):
            values = tf.reshape(
                made[name], (num_steps, batch_size, *known.shape[2:])
            )
            beside = tf.concat([known, values[:known_steps, known_batch:]], 1)
            filled.append(tf.concat([beside, values[known_steps:]], 0))
        rates = [_lasting(rate, num_steps) for rate in arrays[2:]]
        return _synthetic(*filled, *rates)

    return synthesize


def endless(
    gtn: GTN, num_steps: int, batch_size: int
) -> Callable[[tf.Tensor], SyntheticData]:
    """Returns the learner's own batches, one draw of the GTN after the other.

    Each batch of B is made, and normalised, as in meta-training; larger ones
    join several. The last step's rates stay.

    Args:
      gtn: of a curriculum that draws.
      num_steps: a multiple of the GTN's.
      batch_size: a multiple of the GTN's.
    """
    known_steps, known_batch = gtn.label_ids.shape
    times_batch = batch_size // known_batch
    num_draws = num_steps // known_steps * times_batch

    @tf.function(autograph=False)
    def synthesize(seed: tf.Tensor) -> SyntheticData:
        meta_params = gtn.read()
        draws = [
            gtn.synthesize(meta_params, fold(seed, number))
            for number in range(num_draws)
        ]
        images, labels = (
            tf.concat(
                [
                    tf.concat([getattr(d, name) for d in row], 1)
                    for row in _in_rows(draws, times_batch)
                ],
                0,
            )
            for name in ("images", "labels")
        )
        rates = draws[0].hyperparameters
        return SyntheticData(
            images,
            labels,
            {name: _lasting(rate, num_steps) for name, rate in rates.items()},
        )

    return synthesize


def tuned_real(setting: Setting, num_steps: int, batch_size: int) -> Source:
    """Returns real batches with constant rates tuned for just these sizes.

    The tuning is kept under `baselines/` in the workdir, for all experiments.

    Args:
      setting: of the GTN that is compared.
      num_steps: inner steps.
      batch_size: real images per step.
    """
    folder = setting.workdir
    if (num_steps, batch_size) != setting.sequence_shape:
        sizes = f"steps_{num_steps}_batch_{batch_size}"
        folder = folder / "baselines" / sizes
    of_sizes = setting.with_sizes(num_steps, batch_size, folder)
    return real_tuned(of_sizes)


def _lasting(rate: tf.Tensor, num_steps: int) -> tf.Tensor:
    """Returns [num_steps] of [T]: the last one stays."""
    return tf.gather(rate, tf.minimum(tf.range(num_steps), rate.shape[0] - 1))


def _in_rows(values: list, length: int) -> list[list]:
    return [values[i : i + length] for i in range(0, len(values), length)]


def _synthetic(
    images: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor, momentum: tf.Tensor
) -> SyntheticData:
    hyperparameters = {"learning_rate": rate, "momentum": momentum}
    return SyntheticData(images, labels, hyperparameters)
