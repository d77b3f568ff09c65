import json
import multiprocessing
import os
import signal
import time

import pytest

from gtn_tf.runtime import job_store
from gtn_tf.types import InputError

_PROCESSES = multiprocessing.get_context("fork")


def _problem(key, value):
    if not isinstance(value, dict) or value.keys() != {"key", "score"}:
        return "no result"
    return "" if value["key"] == key else "of another key"


def _store(directory):
    return job_store.JobStore(directory, _problem)


def _value(key, score=0.625):
    return {"key": key, "score": score}


def test_put_get_all(tmp_path):
    results = _store(tmp_path / "search" / "results")
    assert results.all() == {}
    for key in ("b", "a.0"):
        results.put(key, _value(key))
    assert results.get("b") == _value("b")
    assert results.get("c") is None
    again = _store(tmp_path / "search" / "results").all()
    assert list(again) == ["a.0", "b"]
    results.put("b", _value("b", float("nan")))
    assert results.get("b")["score"] is None
    assert len(results.all()) == 2


@pytest.mark.parametrize("value", [3, {"key": "a"}, _value("b")])
def test_wrong_values_are_not_stored(tmp_path, value):
    with pytest.raises(ValueError, match="not a result: "):
        _store(tmp_path).put("a", value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"a"', b'"c"'),
        lambda data: b"",
        lambda data: b"[]",
        lambda data: b"\x00" * len(data),
        lambda data: b"\xff\xfe\xfa",
    ],
)
def test_damaged_is_set_aside_and_not_done(tmp_path, damage, caplog):
    results = _store(tmp_path)
    for key in ("a", "b"):
        results.put(key, _value(key))
    path = tmp_path / "a.json"
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    assert list(results.all()) == ["b"]
    assert "set aside" in caplog.text
    assert sorted(os.listdir(tmp_path)) == ["a.json.damaged", "b.json"]
    assert (tmp_path / "a.json.damaged").read_bytes() == damaged
    results.put("a", _value("a"))  # it can be done again
    assert set(results.all()) == {"a", "b"}


def test_old_leftovers_go_and_young_ones_stay(tmp_path):
    _store(tmp_path).put("a", _value("a"))
    old, young = (
        tmp_path / f".a.json.{n}.tmp" for n in ("0a1b2c3d", "4e5f6a7b")
    )
    for path in (old, young):
        path.write_text("{")
    os.utime(old, (time.time() - 7200,) * 2)
    foreign = tmp_path / ".notes.tmp"
    foreign.touch()
    os.utime(foreign, (0, 0))
    assert list(_store(tmp_path).all()) == ["a"]
    assert not old.exists()
    assert young.exists()
    assert foreign.exists()


def test_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be used"):
        _store(tmp_path / "file" / "results")


def _write(directory, first, last, then_die):
    results = _store(directory)
    for number in range(first, last):
        results.put(str(number), _value(str(number), number))
    while then_die:
        results.put("large", _value("large", "x" * 500_000))


def test_two_writers_of_the_same_jobs(tmp_path):
    ranges = [(0, 40), (20, 60), (0, 60)]
    writers = [
        _PROCESSES.Process(target=_write, args=(tmp_path, *pair, False))
        for pair in ranges
    ]
    for writer in writers:
        writer.start()
    reader = _store(tmp_path)
    while any(writer.is_alive() for writer in writers):
        reader.all()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = reader.all()
    assert len(found) == 60
    assert all(value["score"] == int(key) for key, value in found.items())
    assert all(name.endswith(".json") for name in os.listdir(tmp_path))


@pytest.mark.parametrize("attempt", range(5))
def test_killed_writer_leaves_whole_results(tmp_path, attempt):
    writer = _PROCESSES.Process(target=_write, args=(tmp_path, 0, 3, True))
    writer.start()
    results = _store(tmp_path)
    until = time.monotonic() + 30
    while len(results.all()) < 4 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.007 * attempt)  # into another moment of a write
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert list(_store(tmp_path).all()) == ["0", "1", "2", "large"]
    assert not list(tmp_path.glob("*.damaged"))


def test_thousands_of_results_are_read_in_a_moment(tmp_path):
    for number in range(1000):
        text = json.dumps(_value(str(number)))
        (tmp_path / f"{number}.json").write_text(text)
    results = _store(tmp_path)
    start = time.process_time()
    assert len(results.all()) == 1000
    assert time.process_time() - start < 1  # 0.1 s


def test_a_group_is_in_one_shard():
    # Of groups a and b three jobs, of c and d one: no shard gets both large.
    jobs = {f"{n}": group for n, group in enumerate("abcabdab")}
    shards = [job_store.shard(jobs, i, 2, lambda group: group) for i in (0, 1)]
    groups = [set(part.values()) for part in shards]
    assert not groups[0] & groups[1]
    assert [len(part) for part in shards] == [4, 4]
    assert all(list(part) == sorted(part) for part in shards)


@pytest.mark.parametrize("num_shards", [1, 2, 3, 7, 12])
def test_shards_are_disjoint_and_complete(num_shards):
    jobs = {f"{number * 7 % 10}": number for number in range(10)}
    shards = [job_store.shard(jobs, i, num_shards) for i in range(num_shards)]
    assert sorted(n for part in shards for n in part.values()) == [*range(10)]
    sizes = [len(part) for part in shards]
    assert max(sizes) - min(sizes) <= 1
    shuffled = dict(sorted(jobs.items(), reverse=True))
    again = [
        job_store.shard(shuffled, i, num_shards) for i in range(num_shards)
    ]
    assert again == shards
    # Within a shard the order is that of the jobs.
    assert all(list(p.values()) == sorted(p.values()) for p in shards)
