"""Before the first meta-step: synthetic images begin as real ones."""

import time
import zlib
from collections.abc import Callable

import tensorflow as tf

from gtn_tf.datasets.batches import normalize
from gtn_tf.datasets.subsets import choose_subset
from gtn_tf.runtime.interrupts import Stopped, exit_code
from gtn_tf.runtime.progress import Progress, say
from gtn_tf.teachers.warm_start import WarmStartSpec, begin_as
from gtn_tf.training.run import Run, check_equal
from gtn_tf.types import InputError


def start_warm(
    run: Run, spec: WarmStartSpec, seed: int, caught: list[int]
) -> None:
    """Makes a fresh run's images a subset of the training images.

    It is the one that the source `real_subset` trains on. The seconds are
    counted as the run's; what is stopped here begins anew, to the same bits.

    Args:
      run: without a checkpoint.
      spec: of at least one image.
      seed: of the run.
      caught: signals, of `interrupts.catch_signals`.

    Raises:
      InputError: fewer images than classes, or workers that differ.
      Stopped: by a signal.
    """
    began = time.monotonic()
    dataset, teacher = run.dataset, run.teacher
    if spec.num_images < dataset.num_classes:
        raise InputError(
            f"warm_start.num_images is {spec.num_images}; expected at least "
            f"one for each of the {dataset.num_classes} classes; set "
            "--config.warm_start.num_images"
        )
    chosen = choose_subset(
        seed, tuple(teacher.label_ids.shape), dataset, spec.num_images
    )
    images = normalize(
        tf.constant(dataset.train.images[chosen]), dataset.mean, dataset.std
    )
    progress = Progress(spec.fit_steps, unit="step of the warm start")
    try:
        error = begin_as(teacher, images, spec, _stop_or_show(progress, caught))
    finally:
        progress.close()
    read = teacher.read()
    # Other processors round otherwise; replicas must hold the same values.
    digest = zlib.crc32(b"".join(v.numpy().tobytes() for v in read.values()))
    check_equal(run.devices, digest, "warm start", "the same processors")
    seconds = time.monotonic() - began
    run.seconds.assign_add(seconds)
    if run.devices.is_chief:
        num_different = len({*chosen.flat})
        say(
            f"warm start from {num_different} real images in {seconds:.1f} s; "
            f"mean squared error {error:.4f}"
        )


def _stop_or_show(
    progress: Progress, caught: list[int]
) -> Callable[[int], None]:
    def after_step(step: int) -> None:
        if caught:
            raise Stopped(exit_code(caught))
        progress.update(step)

    return after_step
