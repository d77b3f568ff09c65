"""The jobs of a search: what is asked of an architecture."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gtn_tf.export.load import Teacher
from gtn_tf.nas.evaluators.evaluator import Evaluator
from gtn_tf.nas.job_results import job_key
from gtn_tf.nas.proposals import Proposal
from gtn_tf.nas.spec import SearchSpec

#: Job key -> what a result holds besides the outcome, and the job itself.
Planned = dict[str, dict[str, Any]]


class Source(NamedTuple):
    """What an evaluator needs that is made first.

    Attributes:
      path: of it, absolute.
      digest: of all that scores depend on.
    """

    path: str
    digest: str


class Plan:
    """Lists the jobs of architectures, the truth last.

    Args:
      spec: of the search.
      evaluators: by name, the truth last.
      sources: by the `teacher` of an evaluator.
    """

    def __init__(
        self,
        spec: SearchSpec,
        evaluators: Mapping[str, Evaluator],
        sources: Mapping[str, Source],
    ) -> None:
        self._spec, self._evaluators = spec, evaluators
        self._budgets = {n: e.budget() for n, e in evaluators.items()}
        self._digests = {n: source.digest for n, source in sources.items()}
        self._paths = {n: source.path for n, source in sources.items()}

    @property
    def num_jobs(self) -> int:
        """Returns the number of jobs, if no architecture is proposed twice."""
        spec = self._spec
        truths = spec.truth_num_architectures
        truths = spec.num_architectures if truths is None else truths
        num_scores = (len(self._evaluators) - 1) * spec.num_architectures
        if spec.guide is not None:
            truths = spec.select_top
        return num_scores + min(truths, spec.num_architectures)

    def digest_for(self, evaluator: str) -> str | None:
        """Returns that of what an evaluator needs, None if it needs none."""
        return self._digests.get(self._evaluators[evaluator].teacher)

    def jobs_of(self, proposal: Proposal, position: int) -> Planned:
        """Returns an architecture's jobs; with a guide, all but the truth.

        Args:
          proposal: the architecture.
          position: among the different ones that were proposed, from 0.
        """
        num_truths = self._spec.truth_num_architectures
        has_truth = num_truths is None or position < num_truths
        names = self._spec.names[:-1]
        if has_truth and self._spec.guide is None:
            names = self._spec.names
        return self._planned(proposal, names)

    def truth_of(self, proposal: Proposal) -> Planned:
        """Returns the job of the truth alone."""
        return self._planned(proposal, (self._spec.truth,))

    def _planned(self, proposal: Proposal, names: Iterable[str]) -> Planned:
        planned: Planned = {}
        for name in names:
            evaluator = self._evaluators[name]
            identity = {
                "genotype_key": proposal.key,
                "evaluator": name,
                "budget": self._budgets[name],
                "seed": self._spec.seed,
                "gtn_digest": self.digest_for(name),
            }
            planned[job_key(**identity)] = {
                **identity,
                "genotype": proposal.architecture,
                "job": {
                    "genotype": proposal.architecture,
                    "evaluator": name,
                    "seed": self._spec.seed,
                    "teacher": self._paths.get(evaluator.teacher),
                },
            }
        return planned


def teacher_source(teacher: Teacher) -> Source:
    """Returns an export, with the hash of all that a learner sees of it."""
    digest = hashlib.sha256(teacher.metadata["inner_optimizer"].encode())
    for array in (
        teacher.images,
        teacher.labels,
        teacher.inner_learning_rate,
        teacher.inner_momentum,
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    return Source(str(teacher.path.absolute()), digest.hexdigest())
