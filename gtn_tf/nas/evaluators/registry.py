"""The evaluators that `search.evaluators` and `search.truth` name."""

from gtn_tf.config.evaluator_names import parse_evaluator
from gtn_tf.import_paths import choose
from gtn_tf.nas.evaluators.counts import COUNTS, Counted
from gtn_tf.nas.evaluators.evaluator import Evaluator
from gtn_tf.nas.evaluators.real import OnReal
from gtn_tf.nas.evaluators.real_subset import OnRealSubset
from gtn_tf.nas.evaluators.shared_weights import (
    ByHyperNetwork,
    BySupernet,
)
from gtn_tf.nas.evaluators.synthetic import OnDistillation, OnGTN
from gtn_tf.nas.evaluators.table import Table
from gtn_tf.nas.evaluators.zero_cost import PROXIES, ZeroCost
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.search_spaces.protocol import Space

#: Kind of evaluator -> what does its jobs.
EVALUATORS: dict[str, type[Evaluator]] = {
    "gtn": OnGTN,
    "distillation": OnDistillation,
    "real": OnReal,
    "real_subset": OnRealSubset,
    **dict.fromkeys(COUNTS, Counted),
    **dict.fromkeys(PROXIES, ZeroCost),
    "supernet": BySupernet,
    "ghn": ByHyperNetwork,
    "table": Table,
}


def make_evaluators(spec: SearchSpec, space: Space) -> dict[str, Evaluator]:
    """Returns a search's evaluators by name, the truth last.

    Raises:
      InputError: an import path leads nowhere, or a table cannot be read.
    """
    found = {}
    for text in spec.names:
        name = parse_evaluator(text)
        make = choose(name.kind, EVALUATORS, "search.evaluators")
        found[text] = make(name, spec, space)
    return found
