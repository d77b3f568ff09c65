"""Scores of trained networks: built for an architecture, or of common pieces.

What trains for ranking is assembled of pieces that are traced once for all
architectures, where the space can do that, or one graph that interprets any of
them. The truth, whose training is long, is built and traced for each
architecture, as are all with `search.interpret=False`. The seconds of that are
counted for each evaluator, as each would need them alone, though it is done
once for an architecture. So are the seconds of a training that several
evaluators read.
"""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

import tensorflow as tf

from gtn_tf.config.evaluator_names import (
    ALONG,
    TAUGHT,
    TRAINED,
    EvaluatorName,
    parse_evaluator,
)
from gtn_tf.learners.functional import Learner, from_keras
from gtn_tf.meta.inner_optimizers import find_inner_optimizer
from gtn_tf.nas.evaluators.evaluator import Evaluation, Evaluator, Job
from gtn_tf.nas.session import Kept, Session, keep
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.nas.training import TrainedLearner, Trainer
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.runtime.graph_rewriting import not_rewritten
from gtn_tf.types import SyntheticData

# From so many steps on an architecture's own graph costs less than slower steps
# do; below so many architectures, less than the trace of one for all.
_MANY_STEPS = 100
_MANY_ARCHITECTURES = 50

#: Seed [2] -> the batches of a training, from its first.
Batches = Callable[[tf.Tensor], Iterator[SyntheticData]]


#: What an evaluator's name says that its training does not depend on.
_NOT_OF_TRAINING = {
    "text": "",
    "readout": None,
    "statistics": None,
    "num_initializations": None,
}


def _steps_per_architecture(spec: SearchSpec) -> float:
    """Returns how many steps it is trained, but for the truth."""
    steps: dict[EvaluatorName, float] = {}
    for name in map(parse_evaluator, spec.evaluators):
        if name.kind not in TRAINED:
            continue
        number: float = spec.num_inner_steps
        if name.kind in TAUGHT:
            number *= name.number or 1
        elif name.unit is not None:
            number = (name.number or 0) if name.unit == "steps" else math.inf
        times = name.num_initializations or spec.num_initializations
        key = name._replace(**_NOT_OF_TRAINING)
        steps[key] = max(times * number, steps.get(key, 0))
    return sum(steps.values())


def _looks(spec: SearchSpec, training: EvaluatorName) -> tuple[str, ...]:
    """Returns by which statistics a training is looked at on the way.

    Args:
      spec: of the search.
      training: an evaluator's name, without what its training does not depend
        on.
    """
    found = set()
    for name in map(parse_evaluator, spec.evaluators):
        is_along = (name.readout or spec.readout) == ALONG
        if is_along and name._replace(**_NOT_OF_TRAINING) == training:
            found.add(name.statistics or spec.statistics)
    return tuple(sorted(found))


class _Training:
    """One initialisation, trained and read, and the seconds of it all."""

    def __init__(
        self, learner: TrainedLearner, build: float, trace: float, train: float
    ) -> None:
        self.learner = learner
        self.build, self.trace, self.train = build, trace, train
        # By statistics: what was read, and its seconds.
        self._validated: dict[str, tuple[dict[str, float], float]] = {}

    def read(
        self, trainer: Trainer, readout: str, statistics: str
    ) -> tuple[float, float]:
        """Returns a readout and the seconds of looking at validation images.

        It looks at them once for all readouts.
        """
        if readout == "training_loss_sum":
            return trainer.read(self.learner, readout), 0.0
        if readout == ALONG:
            return self.learner.along[statistics]
        if statistics not in self._validated:
            began = time.perf_counter()
            values = trainer.validate(self.learner.state, statistics)
            spent = time.perf_counter() - began
            self._validated[statistics] = values, spent
        values, spent = self._validated[statistics]
        return values[readout], spent


class Trained(Evaluator):
    """What is read of fresh networks after some steps, on the mean of k."""

    @property
    def is_interpreted(self) -> bool:
        """Whether its networks share what is traced."""
        wanted = self.spec.interpret and not self.is_truth
        return wanted and (self.space.assembles or self.space.interprets)

    @property
    def is_one_graph(self) -> bool:
        """Whether one graph interprets all architectures, with the same bits.

        It takes long to trace, and its steps are slower; but an architecture
        needs no graph of its own, which pays where many train a few steps.
        """
        if not (self.is_interpreted and self.space.assembles):
            return self.is_interpreted
        return (
            self.space.interprets
            and self.spec.num_architectures >= _MANY_ARCHITECTURES
            and _steps_per_architecture(self.spec) < _MANY_STEPS
        )

    @property
    def readout(self) -> str:
        """What is read; see `Trainer.read`."""
        common = "accuracy" if self.is_truth else self.spec.readout
        return self.name.readout or common

    @property
    def statistics(self) -> str:
        """What validation images are normalised by."""
        if self.is_truth:
            return "last_batch"
        return self.name.statistics or self.spec.statistics

    @property
    def num_initializations(self) -> int:
        """How many networks are trained."""
        common = 1 if self.is_truth else self.spec.num_initializations
        return self.name.num_initializations or common

    @property
    def num_validation_images(self) -> int | None:
        """How many are read; None: all."""
        return None if self.is_truth else self.spec.num_validation_images

    @property
    def _training(self) -> EvaluatorName:
        """What the training depends on, which several evaluators read."""
        return self.name._replace(**_NOT_OF_TRAINING)

    @property
    def _looks(self) -> tuple[str, ...]:
        """By which statistics the training is looked at on the way."""
        if self.is_truth:
            return ()
        if self.name.unit == "seconds":  # of which a look takes some
            return (self.statistics,) if self.readout == ALONG else ()
        return _looks(self.spec, self._training)

    def own_budget(self) -> dict[str, Any]:
        """See `Evaluator`."""
        # The same function, but other initial weights.
        budget: dict[str, Any] = {"interpreted": self.is_interpreted}
        if self.readout != "accuracy":
            budget["readout"] = self.readout
        if self.statistics != "last_batch":
            budget["statistics"] = self.statistics
        if self.num_initializations != 1:
            budget["num_initializations"] = self.num_initializations
        if self.num_validation_images is not None:
            budget["num_validation_images"] = self.num_validation_images
        return budget

    def train(
        self, job: Job, session: Session, optimizer: str, batches: Batches
    ) -> Evaluation:
        """Trains fresh networks and reads how good they are.

        Args:
          job: the architecture.
          session: of this process.
          optimizer: a name of `config.choices.INNER_OPTIMIZERS`.
          batches: begins them; the first one is asked for twice.
        """
        with self._graphs(job, session) as kept:
            trainer = keep(
                kept,
                ("trainer", self.form, optimizer),
                functools.partial(self._trainer, job, session, optimizer),
            )
            trainings = self._trainings(job, trainer, kept, batches)
            trace = trainings[0].trace + trainer.trace_readout(
                *(trainings[0].learner.state, self.readout, self.statistics),
                also_run=self.is_one_graph,
            )
            found = [
                training.read(trainer, self.readout, self.statistics)
                for training in trainings
            ]
        values, looks = zip(*found, strict=True)
        build = sum(training.build for training in trainings)
        train = sum(training.train for training in trainings)
        spent = {"train": train, "validate": sum(looks)}
        once = trainer.build_seconds
        if self.is_one_graph:
            spent |= {"build": build, "trace": 0.0, "setup": once + trace}
        else:
            spent |= {"build": once + build, "trace": trace}
        return {"score": fmean(values), "seconds": spent}

    def _trainings(
        self, job: Job, trainer: Trainer, kept: Kept, batches: Batches
    ) -> list[_Training]:
        """Returns a job's trainings; those of its architecture are kept."""
        asked = (
            *(job.text, tuple(job.seed.numpy()), job.teacher_path),
            *(self._training, self._looks, self.is_truth),
        )
        last = kept.get("trainings")
        if last is None or last[0] != job.text:
            last = kept["trainings"] = (job.text, {})
        trainings: list[_Training] = last[1].setdefault(asked, [])
        while len(trainings) < self.num_initializations:
            number, seed = len(trainings), job.seed
            if number:
                seed = fold(seed, Purpose.INITIALIZATION, number)
            trainings.append(self._train_one(job, trainer, seed, batches))
        return trainings[: self.num_initializations]

    def _train_one(
        self, job: Job, trainer: Trainer, seed: tf.Tensor, batches: Batches
    ) -> _Training:
        first = next(batches(seed))
        given = [job.architecture] if self.is_one_graph else []
        began = time.perf_counter()
        state = trainer.initial_state(seed, *given)
        build_seconds = time.perf_counter() - began
        trace_seconds = trainer.trace(state, first)
        looks = self._looks
        for statistics in looks:
            trainer.trace_readout(state, ALONG, statistics, self.is_one_graph)
        began = time.perf_counter()
        learner = trainer.train(state, batches(seed), looks)
        spent = time.perf_counter() - began
        spent -= sum(along.seconds for along in learner.along.values())
        return _Training(learner, build_seconds, trace_seconds, spent)

    @contextlib.contextmanager
    def _graphs(self, job: Job, session: Session) -> Iterator[Kept]:
        """Networks are traced and run within; yields what keeps them."""
        with contextlib.ExitStack() as stack:
            if self.is_interpreted:
                stack.enter_context(not_rewritten())
            if self.is_one_graph:
                yield session.kept
            else:
                yield stack.enter_context(session.building(job.text))

    def _trainer(self, job: Job, session: Session, optimizer: str) -> Trainer:
        network = session.network(self.form)

        def build() -> Learner:
            if self.is_one_graph:
                return Learner("cell", *session.space.interpreter(network))
            if self.is_interpreted:
                assemble = keep(
                    session.kept,
                    ("assembler", network),
                    lambda: session.space.assembler(network),
                )
                return Learner("cell", *assemble(job.architecture))
            return from_keras(
                lambda: session.space.build(job.architecture, network),
                second_order=False,
            )

        return Trainer(
            build,
            find_inner_optimizer(optimizer),
            session.data.validation.first(self.num_validation_images),
        )
