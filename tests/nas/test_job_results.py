import hashlib

import pytest

from gtn_tf.nas.job_results import job_key, problem_of

_JOB = {
    "genotype_key": "g",
    "evaluator": "gtn",
    "budget": {"steps": 32},
    "seed": 7,
    "gtn_digest": "abc",
}
_KEY = job_key(**_JOB)


def _result(**fields):
    return {
        "key": _KEY,
        **_JOB,
        "genotype": "text",
        "score": 0.625,
        "seconds": {"build": 1.0, "trace": 0.5, "train": 2},
        "status": "ok",
        "reason": None,
        "versions": {"tensorflow": "2.21"},
        **fields,
    }


def test_key_is_the_hash_of_canonical_json():
    text = (
        '{"budget":{"a":1,"b":[2,null]},"evaluator":"real",'
        '"genotype_key":"g","gtn_digest":null,"seed":3}'
    )
    budget = {"b": [2, None], "a": 1}
    assert (
        job_key("g", "real", budget, 3, None)
        == hashlib.sha256(text.encode()).hexdigest()
    )


@pytest.mark.parametrize("field", _JOB)
def test_every_part_of_a_job_is_in_its_key(field):
    other = 8 if field == "seed" else "other"
    assert job_key(**{**_JOB, field: other}) != _KEY
    assert "another job" in problem_of(_KEY, _result(**{field: other}))


def test_results_of_both_kinds():
    assert problem_of(_KEY, _result()) == ""
    failed = _result(
        score=None,
        status="failed",
        reason="MemoryError",
        seconds={"until_failure": 3.0},
    )
    assert problem_of(_KEY, failed) == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"score": None},
        {"score": float("nan")},
        {"score": True},
        {"score": "0.5"},
        {"status": "done"},
        {"status": "failed"},
        {"status": "failed", "score": None},
        {"reason": "none"},
        {"seconds": {"build": 1.0, "train": 1.0}},
        {"seconds": {"build": 1.0, "trace": 1.0, "train": -1.0}},
        {"seconds": 3.5},
        {"seed": "7"},
        {"evaluator": None},
        {"gtn_digest": 5},
        {"versions": "2.21"},
        {"remark": "unknown"},
        {"key": "0" * 64},
    ],
)
def test_wrong_results(fields):
    assert problem_of(_KEY, _result(**fields))


def test_a_result_lacks_nothing():
    for field in _result():
        whole = _result()
        del whole[field]
        assert f"['{field}'] missing" in problem_of(_KEY, whole)
    assert problem_of(_KEY, [])
