import hashlib
import json
import multiprocessing
import os
import signal
import time

import pytest

from gtn_tf.runtime import job_store as store
from gtn_tf.types import InputError

_PROCESSES = multiprocessing.get_context("fork")


def _result(number=0, **fields):
    return {
        "genotype_key": f"genotype{number}",
        "genotype": {"normal": [[0, "identity"], [1, "conv3x3"]]},
        "evaluator": "gtn",
        "budget": {"steps": 32},
        "seed": 7,
        "gtn_digest": "abc",
        "score": 0.625,
        "seconds": {"build": 1.0, "trace": 0.5, "train": 2},
        "status": "ok",
        "reason": None,
        "versions": {"tensorflow": "2.21"},
        **fields,
    }


def _key(result):
    names = ("genotype_key", "evaluator", "budget", "seed", "gtn_digest")
    return store.job_key(*(result[name] for name in names))


def test_key_is_the_hash_of_canonical_json():
    text = (
        '{"budget":{"a":1,"b":[2,null]},"evaluator":"real",'
        '"genotype_key":"g","gtn_digest":null,"seed":3}'
    )
    budget = {"b": [2, None], "a": 1}
    assert (
        store.job_key("g", "real", budget, 3, None)
        == hashlib.sha256(text.encode()).hexdigest()
    )


@pytest.mark.parametrize(
    "other",
    [
        ("h", "gtn", 1, 0, None),
        ("g", "real", 1, 0, None),
        ("g", "gtn", 2, 0, None),
        ("g", "gtn", 1, 1, None),
        ("g", "gtn", 1, 0, "d"),
    ],
)
def test_every_part_of_a_job_is_in_its_key(other):
    assert store.job_key(*other) != store.job_key("g", "gtn", 1, 0, None)


def test_put_get_all(tmp_path):
    results = store.Store(tmp_path / "search" / "results")
    assert results.all() == {}
    first, second = _result(0), _result(1)
    keys = [results.put(first), results.put(second)]
    assert keys == [_key(first), _key(second)]
    assert results.get(keys[0]) == {"key": keys[0], **first}
    assert results.get("0" * 64) is None
    again = store.Store(tmp_path / "search" / "results").all()
    assert list(again) == sorted(keys)
    assert again[keys[1]]["genotype_key"] == "genotype1"
    results.put({**first, "score": 0.75})
    assert results.get(keys[0])["score"] == 0.75
    assert len(results.all()) == 2


def test_failure_is_a_result(tmp_path):
    results = store.Store(tmp_path)
    key = results.put(
        _result(
            score=None,
            status="failed",
            reason="MemoryError",
            seconds={"until_failure": 3.0},
        )
    )
    assert results.get(key)["reason"] == "MemoryError"


_WRONG = [
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
]


@pytest.mark.parametrize("fields", _WRONG)
def test_wrong_results_are_not_stored(tmp_path, fields):
    results = store.Store(tmp_path)
    with pytest.raises(ValueError, match="not a result: "):
        results.put(_result(**fields))
    incomplete = _result()
    del incomplete["versions"]
    with pytest.raises(ValueError, match=r"fields \['versions'\]"):
        results.put(incomplete)
    assert os.listdir(tmp_path) == []


def _torn(text):
    return text[: len(text) // 2]


def _without_status(text):
    fields = json.loads(text)
    del fields["status"]
    return json.dumps(fields)


def _of_another_job(text):
    return text.replace('"seed": 7', '"seed": 8')


def _renamed(text):
    return json.dumps({**json.loads(text), "key": "0" * 64})


@pytest.mark.parametrize(
    "damage",
    [
        _torn,
        _without_status,
        _of_another_job,
        _renamed,
        lambda text: "",
        lambda text: "[]",
        lambda text: "\x00" * len(text),
        lambda text: text.replace("0.625", "NaN"),
    ],
)
def test_damaged_is_set_aside_and_not_done(tmp_path, damage, caplog):
    results = store.Store(tmp_path)
    kept, key = results.put(_result(1)), results.put(_result())
    path = tmp_path / f"{key}.json"
    damaged = damage(path.read_text())
    path.write_text(damaged)
    assert list(results.all()) == [kept]
    assert "set aside" in caplog.text
    assert sorted(os.listdir(tmp_path)) == sorted(
        [f"{kept}.json", f"{key}.json.damaged"]
    )
    assert (tmp_path / f"{key}.json.damaged").read_text() == damaged
    results.put(_result())  # it can be done again
    assert set(results.all()) == {kept, key}


def test_bytes_that_are_no_text_are_damage(tmp_path):
    results = store.Store(tmp_path)
    key = results.put(_result())
    (tmp_path / f"{key}.json").write_bytes(b"\xff\xfe\xfa")
    assert results.get(key) is None
    assert (tmp_path / f"{key}.json.damaged").exists()


def test_old_leftovers_go_and_young_ones_stay(tmp_path):
    results = store.Store(tmp_path)
    key = results.put(_result())
    old, young = (
        tmp_path / f".{key}.json.{n}.tmp" for n in ("0a1b2c3d", "4e5f6a7b")
    )
    for path in (old, young):
        path.write_text("{")
    os.utime(old, (time.time() - 7200,) * 2)
    foreign = tmp_path / ".notes.tmp"
    foreign.touch()
    os.utime(foreign, (0, 0))
    assert list(store.Store(tmp_path).all()) == [key]
    assert not old.exists()
    assert young.exists()
    assert foreign.exists()


def test_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be used"):
        store.Store(tmp_path / "file" / "results")


def _write(directory, first, last, then_die):
    results = store.Store(directory)
    for number in range(first, last):
        results.put(_result(number, score=number / 4))
    if then_die:
        while True:
            results.put(_result(last, score=last / 4, budget="x" * 500_000))


def test_two_writers_of_the_same_jobs(tmp_path):
    ranges = [(0, 40), (20, 60), (0, 60)]
    writers = [
        _PROCESSES.Process(target=_write, args=(tmp_path, *pair, False))
        for pair in ranges
    ]
    for writer in writers:
        writer.start()
    reader = store.Store(tmp_path)
    while any(writer.is_alive() for writer in writers):
        reader.all()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = reader.all()
    assert len(found) == 60
    assert all(
        r["score"] * 4 == int(r["genotype_key"][8:]) for r in found.values()
    )
    assert all(name.endswith(".json") for name in os.listdir(tmp_path))


@pytest.mark.parametrize("attempt", range(5))
def test_killed_writer_leaves_whole_results(tmp_path, attempt):
    writer = _PROCESSES.Process(target=_write, args=(tmp_path, 0, 3, True))
    writer.start()
    results = store.Store(tmp_path)
    until = time.monotonic() + 30
    while len(results.all()) < 4 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.007 * attempt)  # into another moment of a write
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    found = store.Store(tmp_path).all()
    assert sorted(r["genotype_key"] for r in found.values()) == [
        f"genotype{number}" for number in range(4)
    ]
    assert not list(tmp_path.glob("*.damaged"))


def test_thousands_of_results_are_read_in_a_moment(tmp_path):
    for number in range(1000):
        result = _result(number)
        key = _key(result)
        text = json.dumps({"key": key, **result})
        (tmp_path / f"{key}.json").write_text(text)
    results = store.Store(tmp_path)
    start = time.process_time()
    assert len(results.all()) == 1000
    assert time.process_time() - start < 1  # 0.1 s


@pytest.mark.parametrize("num_shards", [1, 2, 3, 7, 12])
def test_shards_are_disjoint_and_complete(num_shards):
    jobs = {_key(_result(number)): number for number in range(10)}
    shards = [store.shard(jobs, i, num_shards) for i in range(num_shards)]
    assert sorted(n for part in shards for n in part.values()) == list(
        range(10)
    )
    sizes = [len(part) for part in shards]
    assert max(sizes) - min(sizes) <= 1
    shuffled = dict(sorted(jobs.items(), reverse=True))
    again = [store.shard(shuffled, i, num_shards) for i in range(num_shards)]
    assert again == shards
    # Within a shard the order is that of the jobs.
    assert all(list(p.values()) == sorted(p.values()) for p in shards)


@pytest.mark.parametrize(("index", "num_shards"), [(2, 2), (-1, 2), (0, 0)])
def test_no_such_shard(index, num_shards):
    with pytest.raises(InputError, match="0 <= shard < num_shards"):
        store.shard({}, index, num_shards)
