"""A supernet is trained before it scores; see `first_training`."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from gtn_tf.datasets.batches import sample_batch
from gtn_tf.nas.evaluators.real import cosine
from gtn_tf.nas.first_training import (
    METADATA,
    FirstTraining,
    finish,
    of_networks,
    steps_per_epoch,
    train_once,
)
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.nas.supernets import Supernet
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.files import read_json
from gtn_tf.search_spaces.protocol import Architecture
from gtn_tf.types import Batch, InputError, SyntheticData

_NUM_WATCHED = 4  # architectures, whose mean accuracy is a row's


class Prepared(NamedTuple):
    """A finished supernet.

    Attributes:
      folder: absolute.
      digest: of its weights.
      seconds: that its training took.
    """

    folder: Path
    digest: str
    seconds: float


def open_supernet(
    session: Session, folder: Path
) -> tuple[Supernet, FirstTraining]:
    """Makes a supernet, or restores what a folder holds of it."""
    supernet = Supernet(
        session.space.shared_weights(session.network("search")),
        session.data.validation,
        fold(root_seed(session.spec.seed), Purpose.SUPERNET),
    )
    objects = {"params": supernet.params, "slots": supernet.slots}
    return supernet, FirstTraining(folder, objects)


def load_supernet(session: Session, folder: Path) -> Supernet:
    """Returns a finished supernet.

    Raises:
      InputError: its weights are not there, or others.
    """
    supernet, _ = open_supernet(session, folder)
    if supernet.digest() != _finished(folder).digest:
        raise InputError(
            f"supernet {str(folder)!r} has not the weights that it was "
            "finished with; expected its checkpoint beside its metadata.json; "
            "restore it from a copy, or remove the folder to train it again"
        )
    return supernet


def prepare_supernet(
    session: Session, workdir: Path, own: Path | None = None
) -> Prepared:
    """Returns the supernet that is given, or trains the workdir's own.

    Args:
      session: of the search.
      workdir: of it.
      own: folder of the one that the strategy has trained, if it has.

    Raises:
      InputError: the one that is given is none, or of another space, data set
        or size; or the space has no shared weights.
      Stopped: a signal stopped its training, which is saved.
      DivergenceError: its weights are not finite.
    """
    spec = session.spec
    if spec.supernet.path is not None:
        return _given(spec, Path(spec.folder) / spec.supernet.path)
    if own is not None:
        return _finished(own)
    settings = {
        **of_networks(spec),
        "seed": spec.seed,
        "num_epochs": spec.supernet.num_epochs,
        **dataclasses.asdict(spec.training) | {"schedule": "cosine"},
    }
    train = functools.partial(_train, session, settings)
    return _finished(train_once(workdir, "supernet", settings, train))


def _given(spec: SearchSpec, folder: Path) -> Prepared:
    key = "search.supernet.path"
    if not (folder / METADATA).exists():
        raise InputError(
            f"{key} {str(folder)!r} holds no finished supernet; expected a "
            "folder search/supernet/NAME of a workdir; correct "
            f"--config.{key}"
        )
    found = read_json(folder / METADATA)
    for name, wanted in of_networks(spec).items():
        if found.get(name) != wanted:
            raise InputError(
                f"{key} {str(folder)!r} is of {name} {found.get(name)!r}; "
                f"expected {wanted!r}, that of this search; give another "
                f"--config.{key}"
            )
    return _finished(folder.absolute())


def _finished(folder: Path) -> Prepared:
    metadata = read_json(folder / METADATA)
    return Prepared(folder, metadata["digest"], metadata["seconds"])


def _train(session: Session, settings: dict[str, Any], folder: Path) -> None:
    supernet, training = open_supernet(session, folder)
    per_epoch = steps_per_epoch(session, len(session.data.train.images))
    num_steps = session.spec.supernet.num_epochs * per_epoch
    take_step = Stepper(session, supernet, num_steps, per_epoch)
    seconds = training.run(
        "supernet",
        num_steps,
        per_epoch,
        take_step,
        supernet.is_finite,
        "validation_accuracy",
    )
    finish(folder, settings, digest=supernet.digest(), seconds=seconds)


class Stepper:
    """Takes the steps of a supernet's training.

    All that is drawn depends on the run's seed and the step alone.

    Args:
      session: of the search.
      supernet: that is trained.
      num_steps: in all, for the schedule of the rate.
      per_epoch: steps between two rows.
      choose: step -> what is trained then; None: a uniform draw.
    """

    def __init__(
        self,
        session: Session,
        supernet: Supernet,
        num_steps: int,
        per_epoch: int,
        choose: Callable[[int], Architecture] | None = None,
    ) -> None:
        self._choose = choose or self.architecture
        self._session, self._supernet = session, supernet
        self._num_steps, self._per_epoch = num_steps, per_epoch
        batch_size = session.spec.training.batch_size
        seed = fold(root_seed(session.spec.seed), Purpose.SUPERNET)

        @tf.function(autograph=False)
        def draw(step: tf.Tensor) -> Batch:
            batch_seed = fold(seed, Purpose.REAL_BATCH, step)
            return sample_batch(session.data.train, batch_seed, batch_size)

        self._draw = draw
        self._watched = [
            self.architecture(-number) for number in range(_NUM_WATCHED)
        ]

    def architecture(self, step: int) -> Architecture:
        """Returns the one that is trained at a step, uniformly drawn."""
        seed = (self._session.spec.seed, int(Purpose.SUPERNET), step % 2**32)
        return self._session.space.sample(seed)

    def __call__(self, step: int) -> dict[str, Any] | None:
        """Takes a step, from 1; returns the row of an epoch's end."""
        training = self._session.spec.training
        rate = training.learning_rate * cosine((step - 1) / self._num_steps)
        scalars = {
            "learning_rate": tf.constant(rate, tf.float32),
            "momentum": tf.constant(training.momentum, tf.float32),
        }
        data = SyntheticData(*self._draw(tf.constant(step)), scalars)
        self._supernet.train(self._choose(step), data)
        if step % self._per_epoch:
            return None
        accuracies = [self._supernet.score(a) for a in self._watched]
        return {
            "epoch": step // self._per_epoch,
            "learning_rate": rate,
            "validation_accuracy": sum(accuracies) / len(accuracies),
        }
