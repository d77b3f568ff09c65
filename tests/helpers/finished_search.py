"""A finished search in a workdir, of scores that cost nothing."""

import json

from gtn_tf.nas.job_results import job_key, problem_of
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.statistics.ranking import ranking

TRUTH = "real:steps=4"
_GENOTYPES = {
    genotype.key(): genotype
    for genotype in (SearchSpace(3).sample((0, i)) for i in range(12))
}
KEYS = list(_GENOTYPES)
#: By evaluator and architecture: gtn fails on one, params has an outlier.
SCORES = {
    "gtn": dict(
        zip(KEYS, [None, *(0.3 + 0.02 * i for i in range(11))], strict=True)
    ),
    "params": dict(
        zip(
            KEYS,
            [9e6, *(1e4 + (7919 * i) % 101 for i in range(11))],
            strict=True,
        )
    ),
    "flat": dict.fromkeys(KEYS, 1.0),
    TRUTH: {key: 0.5 + 0.01 * i + 0.05 * (i % 3) for i, key in enumerate(KEYS)},
}
COSTS = {
    "gtn": {
        "budget": {"dress": "search"},
        "gtn_digest": "12ab",
        "seconds_per_architecture": 0.25,
        "setup_seconds": 77.8,
    },
    "params": {"budget": {"dress": "search"}, "gtn_digest": None},
    "flat": {"seconds_per_architecture": 0.5, "setup_seconds": 0},
    TRUTH: {"budget": {"steps": 4}, "seconds_per_architecture": 8.0},
}


def write_search(workdir, num_architectures=12):
    """Writes search/; returns the content of its ranking.json."""
    keys = KEYS[:num_architectures]
    scores = {n: {k: of[k] for k in keys} for n, of in SCORES.items()}
    texts = {key: g.to_text() for key, g in _GENOTYPES.items()}
    ranked = ranking(scores, TRUTH, COSTS, texts, num_resamples=200)
    for name in scores:
        put_results(workdir, name, scores[name])
    path = workdir / "search" / "ranking.json"
    path.write_text(json.dumps(ranked))
    return ranked


def put_results(workdir, name, scores, **other):
    """Writes a result per architecture; `other` than what was ranked."""
    store = JobStore(workdir / "search" / "results", problem_of)
    cost = COSTS[name]
    for key, score in scores.items():
        is_ok = score is not None
        job = {
            "genotype_key": key,
            "evaluator": name,
            "budget": cost.get("budget"),
            "seed": 0,
            "gtn_digest": cost.get("gtn_digest"),
            **other,
        }
        result = {
            "key": job_key(**job),
            **job,
            "genotype": _GENOTYPES[key].to_text(),
            "score": score,
            "seconds": dict.fromkeys(("build", "trace", "train"), 0.1),
            "status": "ok" if is_ok else "failed",
            "reason": None if is_ok else "out of memory",
            "versions": {},
        }
        store.put(result["key"], result)
