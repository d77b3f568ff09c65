"""The loop of a search: propose, do the jobs that nobody has done, tell."""

import collections
import time
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from absl import logging

from gtn_tf import __version__
from gtn_tf.config.evaluator_names import EVALUATORS, parse_evaluator
from gtn_tf.import_paths import is_import_path
from gtn_tf.nas.executors import Executor, JobFunction, Jobs
from gtn_tf.nas.jobs import Plan, Planned
from gtn_tf.nas.proposals import Proposal, Proposals
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.nas.summary import best_table, scores_by_evaluator
from gtn_tf.runtime.job_store import JobStore, shard
from gtn_tf.runtime.progress import Progress, say
from gtn_tf.statistics.picks import best_keys

_TABLE_SECONDS = 60.0  # between two live tables
_IN_LIVE_TABLE = 10


def stored_result(
    key: str, planned: dict[str, Any], outcome: dict[str, Any]
) -> dict[str, Any]:
    """Returns a job's result as it is kept; warns of a failure.

    Args:
      key: of the job.
      planned: what it is; see `Plan`.
      outcome: see `executors.attempt`.
    """
    if outcome["status"] == "failed":
        logging.warning(
            "Architecture %s failed under %s and ranks last: %s.",
            planned["genotype_key"],
            planned["evaluator"],
            outcome["reason"],
        )
    identity = {k: v for k, v in planned.items() if k != "job"}
    versions = {
        "gtn_tf": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    return {"key": key, **identity, **outcome, "versions": versions}


class Loop:
    """A search's proposals and what is known of them.

    Args:
      spec: of the search.
      proposals: asked and told here.
      plan: of their jobs.
      store: of the results.

    Attributes:
      planned: all jobs so far, of all shards.
      results: by job; None where nobody has done it.
    """

    def __init__(
        self,
        spec: SearchSpec,
        proposals: Proposals,
        plan: Plan,
        store: JobStore,
    ) -> None:
        self._spec, self._plan, self._store = spec, plan, store
        self._proposals = proposals
        self._num_planned = 0
        self._different: dict[str, Proposal] = {}
        self._is_selected = spec.guide is None
        self._scores: dict[str, float | None] = {}
        self.planned: Planned = {}
        self.results: dict[str, dict[str, Any] | None] = {}

    def run(
        self,
        run_jobs: Executor,
        do_job: JobFunction,
        should_stop: Callable[[], bool],
    ) -> None:
        """Does the jobs of this shard that nobody has done."""
        due: Jobs = collections.deque()
        mine = self._advance(due)
        total = len(mine) if self._spec.num_shards > 1 else self._plan.num_jobs
        num_there = len(mine) - len(due)
        if num_there:
            say(f"{num_there} of {total} evaluations are there")
        progress = Progress(total, num_there, unit="evaluation")
        shown_at = time.monotonic()
        try:
            outcomes = run_jobs(do_job, due, should_stop)
            for number, (key, outcome) in enumerate(outcomes, start=1):
                self._put(key, outcome)
                self._advance(due)
                progress.update(num_there + number)
                if time.monotonic() - shown_at >= _TABLE_SECONDS:
                    shown_at = time.monotonic()
                    self._show_best()
        finally:
            progress.close()

    def _advance(self, due: Jobs) -> list[str]:
        """Tells what is known, and lists the jobs of what is proposed then.

        Returns:
          The jobs of this shard among the new ones; those that nobody has
          done are appended to `due`.
        """
        mine = []
        while True:
            self._proposals.tell(self._scores)
            new = self._planned_anew()
            if not new:
                return mine
            of_shard = shard(
                new,
                self._spec.shard,
                self._spec.num_shards,
                # An architecture's trainings serve all that read them.
                lambda planned: planned["job"]["genotype"],
            )
            mine += of_shard
            for key in new:
                result = self._store.get(key)
                if result and self._may_be_mended(result):
                    result = None
                self._learn(key, result)
                if result is None and key in of_shard:
                    due.append((key, new[key]["job"]))

    def _may_be_mended(self, result: dict[str, Any]) -> bool:
        """Whether it is a failure of what a person wrote, and may correct."""
        if result["status"] != "failed":  # most of thousands
            return False
        kind = parse_evaluator(result["evaluator"]).kind
        return kind not in EVALUATORS or is_import_path(self._spec.space)

    def _planned_anew(self) -> Planned:
        new: Planned = {}
        for proposal in self._proposals.made[self._num_planned :]:
            if proposal.key not in self._different:
                position = len(self._different)
                self._different[proposal.key] = proposal
                new |= self._plan.jobs_of(proposal, position)
        self._num_planned = len(self._proposals.made)
        if self._proposals.all_told and not self._is_selected:
            self._is_selected = True
            for key in self._best():
                new |= self._plan.truth_of(self._different[key])
        self.planned |= new
        return new

    def _best(self) -> list[str]:
        """Returns the keys of the best by the guide, no failures."""
        best = best_keys(self._scores, self._spec.select_top)
        return [key for key in best if self._scores[key] is not None]

    def _learn(self, key: str, result: dict[str, Any] | None) -> None:
        self.results[key] = result
        if result and result["evaluator"] == self._spec.evaluators[0]:
            self._scores[result["genotype_key"]] = result["score"]

    def _put(self, key: str, outcome: dict[str, Any]) -> None:
        result = stored_result(key, self.planned[key], outcome)
        self._store.put(key, result)
        self._learn(key, result)

    def _show_best(self) -> None:
        scores = scores_by_evaluator(self.results.values())
        lines = best_table(
            scores, self._spec.evaluators, self._spec.truth, _IN_LIVE_TABLE
        )
        if lines:
            say(lines)
