"""Scores of architectures, each found once, of `search_methods`."""

import collections
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from gtn_tf.config.evaluator_names import TAUGHT, parse_evaluator
from gtn_tf.evaluation.baselines import changed
from gtn_tf.export.write import is_current
from gtn_tf.nas.executors import run_inline
from gtn_tf.nas.job_results import problem_of
from gtn_tf.nas.jobs import Plan
from gtn_tf.nas.loop import stored_result
from gtn_tf.nas.proposals import Proposal
from gtn_tf.nas.score_tables import to_csv
from gtn_tf.nas.search import make_sources
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.worker import Worker
from gtn_tf.runtime.interrupts import Stopped, exit_code
from gtn_tf.runtime.job_store import JobStore


class Scores:
    """Scores of architectures, each found once.

    Args:
      config: of the search that names the evaluators.
      workdir: the experiment's folder, where scores and what is trained first
        are, but for a GTN that the run's workdir holds already.
      caught: signals so far.

    Attributes:
      known: what was asked for, by evaluator and architecture.
      texts: of architectures that were asked for, by their key.
      teacher_seconds: of what an evaluator trains on, where it is ready.
    """

    def __init__(
        self,
        config: config_dict.ConfigDict,
        workdir: Path,
        caught: list[int],
    ) -> None:
        self.worker = Worker(search_spec(config), lambda: bool(caught))
        self.space = self.worker.space
        self.truth = self.worker.spec.truth
        self.is_looked_up = parse_evaluator(self.truth).kind == "table"
        self._config = _with_gtn_of(workdir.parents[1], config)
        self.workdir = workdir
        self.known: dict[str, dict[str, float | None]] = {}
        self.texts: dict[str, str] = {}
        self.teacher_seconds: dict[str, float] = {}
        self._plans: dict[str, Plan] = {}
        self._store = JobStore(workdir / "search" / "results", problem_of)
        self._caught = caught

    def job(self, evaluator: str, proposal: Proposal) -> tuple[str, dict]:
        """Returns the job that scores it: its key, and what it is."""
        planned = self._plan(evaluator).jobs_of(proposal, 0)
        return next(
            (key, job)
            for key, job in planned.items()
            if job["evaluator"] == evaluator
        )

    def taught_by(self, evaluators: Iterable[str]) -> dict[str, Any]:
        """Returns digest and seconds of what evaluators are taught by.

        What is not there is meta-trained first.
        """
        found = {}
        for name in evaluators:
            if parse_evaluator(name).kind in TAUGHT:
                digest = self._plan(name).digest_for(name)
                found[name] = [digest, self.teacher_seconds[name]]
        return found

    def _plan(self, evaluator: str) -> Plan:
        """Returns that of one evaluator, for which its weights are trained."""
        if evaluator not in self._plans:
            worker = self.worker
            names = dict.fromkeys((evaluator, self.truth))
            own = {name: worker.evaluators[name] for name in names}
            sources, seconds = make_sources(
                self._config, self.workdir, worker.session, own.values()
            )
            teacher = worker.evaluators[evaluator].teacher
            self.teacher_seconds[evaluator] = seconds.get(teacher, 0.0)
            spec = dataclasses.replace(worker.spec, evaluators=(evaluator,))
            self._plans[evaluator] = Plan(spec, own, sources)
        return self._plans[evaluator]

    def get(self, evaluator: str, proposal: Proposal) -> float | None:
        """Returns a score, None for a failure.

        Raises:
          Stopped: a signal came.
        """
        key, planned = self.job(evaluator, proposal)
        result = self._store.get(key)
        if result is None:
            due = collections.deque([(key, planned["job"])])
            outcomes = list(
                run_inline(self.worker.do, due, lambda: bool(self._caught))
            )
            if not outcomes:
                raise Stopped(exit_code(self._caught))
            result = stored_result(key, planned, outcomes[0][1])
            self._store.put(key, result)
        self.known.setdefault(evaluator, {})[proposal.key] = result["score"]
        self.texts.setdefault(proposal.key, proposal.architecture)
        return result["score"]

    def true_score(self, proposal: Proposal) -> float | None:
        """Returns the accuracy by the truth; None where that failed."""
        return self.get(self.truth, proposal)

    def to_csv(self) -> bytes:
        """Returns the table of all that was asked for, by architecture."""
        others = {k: v for k, v in self.known.items() if k != self.truth}
        truth = self.known.get(self.truth, {})
        return to_csv(self.texts, sorted(self.texts), truth, others)


def _with_gtn_of(
    run: Path, config: config_dict.ConfigDict
) -> config_dict.ConfigDict:
    """Returns the config, with the GTN of a run's workdir if it is the same."""
    if config.search.gtn is None and is_current(config, run):
        return changed(config, {"search.gtn": str(run)})
    return config
