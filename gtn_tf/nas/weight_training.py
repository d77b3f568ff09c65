"""What gives architectures weights is trained before it scores.

See `first_training`.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
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
from gtn_tf.nas.hypernetworks import HyperNetwork
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.nas.supernets import Supernet
from gtn_tf.nas.weight_sources import WeightSource
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.paths import path_to_read
from gtn_tf.runtime.files import read_json
from gtn_tf.search_spaces.protocol import Architecture
from gtn_tf.types import Batch, InputError, SyntheticData

_NUM_WATCHED = 4  # architectures, whose mean accuracy is a row's
_BETA_1 = 0.9


class Prepared(NamedTuple):
    """A finished source of weights.

    Attributes:
      folder: absolute.
      digest: of what is trained.
      seconds: that its training took.
    """

    folder: Path
    digest: str
    seconds: float


class Rates(NamedTuple):
    """Of an optimizer; the learning rate at the start."""

    learning_rate: float
    momentum: float


class _Kind(NamedTuple):
    """One kind of source; its name is its config key in `search`.

    Attributes:
      make: session -> a fresh one.
      own_settings: spec -> what its training depends on besides the networks,
        the seed and the number of epochs, as JSON.
      rates: spec -> those of its optimizer.
      read_by: those of `own_settings` that scores depend on as well.
    """

    make: Callable[[Session], WeightSource]
    own_settings: Callable[[SearchSpec], dict[str, Any]]
    rates: Callable[[SearchSpec], Rates]
    read_by: tuple[str, ...] = ()


def _make_supernet(session: Session) -> Supernet:
    return Supernet(
        session.space.shared_weights(session.network("search")),
        session.data.validation,
        fold(root_seed(session.spec.seed), Purpose.SUPERNET),
    )


def _make_hypernetwork(session: Session) -> HyperNetwork:
    # A direction that is normalised anyway has no size to write.
    shared = session.space.shared_weights(session.network("plain"))
    if shared.graphs is None:
        raise session.space.lacks("graphs for a hypernetwork")
    return HyperNetwork(
        shared,
        session.data.validation,
        session.spec.ghn,
        fold(root_seed(session.spec.seed), Purpose.SUPERNET, 2),
    )


def _settings_of_hypernetwork(spec: SearchSpec) -> dict[str, Any]:
    own = dataclasses.asdict(spec.ghn) | {"schedule": "cosine"}
    del own["path"], own["num_epochs"]
    return {**own, "batch_size": spec.training.batch_size}


def _settings_of_supernet(spec: SearchSpec) -> dict[str, Any]:
    return dataclasses.asdict(spec.supernet_training) | {"schedule": "cosine"}


def _supernet_rates(spec: SearchSpec) -> Rates:
    own = spec.supernet_training
    return Rates(own.learning_rate, own.momentum)


SOURCES = {
    "supernet": _Kind(
        _make_supernet,
        _settings_of_supernet,
        _supernet_rates,
    ),
    "ghn": _Kind(
        _make_hypernetwork,
        _settings_of_hypernetwork,
        lambda spec: Rates(spec.ghn.learning_rate, _BETA_1),
        ("num_phases", "normalizes"),
    ),
}


def open_source(
    kind: str, session: Session, folder: Path
) -> tuple[WeightSource, FirstTraining]:
    """Makes one, or restores what a folder holds of it."""
    source = SOURCES[kind].make(session)
    objects = {"params": source.params, "slots": source.slots}
    return source, FirstTraining(folder, objects)


def load_source(kind: str, session: Session, folder: Path) -> WeightSource:
    """Returns a finished one.

    Raises:
      InputError: its weights are not there, or others.
    """
    source, _ = open_source(kind, session, folder)
    if source.digest() != _finished(folder).digest:
        raise InputError(
            f"{kind} {str(folder)!r} has not the weights that it was "
            "finished with; expected its checkpoint beside its metadata.json; "
            "restore it from a copy, or remove the folder to train it again"
        )
    return source


def prepare_source(
    kind: str, session: Session, workdir: Path, own: Path | None = None
) -> Prepared:
    """Returns the one that is given, or trains the workdir's own.

    Args:
      kind: a name of `SOURCES`.
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
    asked = getattr(spec, kind)
    settings = {
        **of_networks(spec),
        "seed": spec.seed,
        "num_epochs": asked.num_epochs,
        **SOURCES[kind].own_settings(spec),
    }
    if asked.path is not None:
        wanted = of_networks(spec)
        wanted |= {name: settings[name] for name in SOURCES[kind].read_by}
        path = path_to_read(asked.path, f"search.{kind}.path")
        return _given(kind, Path(spec.folder) / path, wanted)
    if own is not None:
        return _finished(own)
    train = functools.partial(_train, kind, session, settings)
    return _finished(train_once(workdir, kind, settings, train))


def num_epochs_of(kind: str, spec: SearchSpec) -> int:
    """Returns how many epochs a source is trained, or was if it is given.

    Raises:
      InputError: the one that is given is not finished.
    """
    asked = getattr(spec, kind)
    if asked.path is None:
        return asked.num_epochs
    path = path_to_read(asked.path, f"search.{kind}.path")
    found = _metadata(kind, Path(spec.folder) / path)
    return found["num_epochs"] * found.get("num_rounds", 1)  # of nao_ws


def _given(kind: str, folder: Path, expected: Mapping[str, Any]) -> Prepared:
    found, key = _metadata(kind, folder), f"search.{kind}.path"
    for name, wanted in expected.items():
        if found.get(name) != wanted:
            raise InputError(
                f"{key} {str(folder)!r} is of {name} {found.get(name)!r}; "
                f"expected {wanted!r}, that of this search; give another "
                f"--config.{key}"
            )
    return _finished(folder.absolute())


def _metadata(kind: str, folder: Path) -> dict[str, Any]:
    path = folder / METADATA
    found = read_json(path) if path.exists() else {}
    if "digest" not in found:  # a strategy's own training has none
        key, own = f"search.{kind}.path", folder / kind
        remedy = f"correct --config.{key}"
        if (own / METADATA).exists():
            remedy = f"set --config.{key}={own}"
        raise InputError(
            f"{key} {str(folder)!r} holds no finished {kind}; expected a "
            f"folder search/{kind}/NAME of a workdir; {remedy}"
        )
    return found


def _finished(folder: Path) -> Prepared:
    metadata = read_json(folder / METADATA)
    return Prepared(folder, metadata["digest"], metadata["seconds"])


def _train(
    kind: str, session: Session, settings: dict[str, Any], folder: Path
) -> None:
    source, training = open_source(kind, session, folder)
    per_epoch = steps_per_epoch(session, len(session.data.train.images))
    num_steps = settings["num_epochs"] * per_epoch
    rates = SOURCES[kind].rates(session.spec)
    take_step = Stepper(session, source, num_steps, per_epoch, rates=rates)
    seconds = training.run(
        kind,
        num_steps,
        take_step,
        source.is_finite,
        "validation_accuracy",
    )
    finish(folder, settings, digest=source.digest(), seconds=seconds)


class Stepper:
    """Takes the steps of a source's training.

    All that is drawn depends on the run's seed and the step alone.

    Args:
      session: of the search.
      source: that is trained.
      num_steps: in all, for the schedule of the rate.
      per_epoch: steps between two rows.
      choose: step -> what is trained then; None: a uniform draw.
      rates: None: those of a supernet.
    """

    def __init__(
        self,
        session: Session,
        source: WeightSource,
        num_steps: int,
        per_epoch: int,
        choose: Callable[[int], Architecture] | None = None,
        rates: Rates | None = None,
    ) -> None:
        self._choose = choose or self.architecture
        self._session, self._source = session, source
        self._rates = rates or _supernet_rates(session.spec)
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
        rates = self._rates
        rate = rates.learning_rate * cosine((step - 1) / self._num_steps)
        scalars = {
            "learning_rate": tf.constant(rate, tf.float32),
            "momentum": tf.constant(rates.momentum, tf.float32),
        }
        data = SyntheticData(*self._draw(tf.constant(step)), scalars)
        self._source.train(self._choose(step), data)
        if step % self._per_epoch:
            return None
        accuracies = [self._source.score(a) for a in self._watched]
        return {
            "epoch": step // self._per_epoch,
            "learning_rate": rate,
            "validation_accuracy": sum(accuracies) / len(accuracies),
        }
