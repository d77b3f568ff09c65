import dataclasses
import json
import pickle
import shutil
import signal

import pytest

from gtn_tf.datasets import loading as data
from gtn_tf.export import write
from gtn_tf.export.load import load
from gtn_tf.nas import teachers
from gtn_tf.nas.results import read_search
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.summary import scores_by_evaluator, summarize
from gtn_tf.nas.worker import Worker
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.runtime.job_store import JobStore
from gtn_tf.search_spaces.cells.cost import cell_network_cost
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.types import InputError
from tests.helpers import exports, search_runs, tiny

_N = search_runs.NUM_ARCHITECTURES


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """The name of a truth that costs nothing, and the keys, worst first."""
    path = tmp_path_factory.mktemp("truth") / "truth.csv"
    return f"table:{path}", search_runs.write_truth(path)


def _search(workdir, *arguments, hook=None, **search):
    given = [f"--config.search.{name}={v}" for name, v in search.items()]
    return tiny.run_main(
        workdir,
        "--mode=search",
        *given,
        *arguments,
        config=search_runs.__file__,
        hook=hook,
    )


def _json(workdir, name):
    return json.loads((workdir / "search" / name).read_text())


@pytest.fixture(scope="module")
def done(tmp_path_factory, truth):
    """A search with two evaluators that cost nothing."""
    workdir = tmp_path_factory.mktemp("done")
    found = _search(workdir, truth=truth[0], hook=search_runs.ShowEveryResult())
    assert found.code == 0, found
    return workdir, found.errors


def test_jobs_can_be_done_in_another_folder(tmp_path, monkeypatch):
    keys = search_runs.write_truth(tmp_path / "truth.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/of")
    config = search_runs.get_config()
    for data_dir, expected in (
        ("data", str(tmp_path / "data")),
        ("~/data", "/home/of/data"),
        ("gs://bucket/data", "gs://bucket/data"),
        (None, None),
    ):
        config.dataset.data_dir = data_dir
        assert search_spec(config).data_dir == expected
    config.search.evaluators = ("table:truth.csv",)
    worker = Worker(search_spec(config))
    monkeypatch.chdir("/")
    elsewhere = pickle.loads(pickle.dumps(worker))
    assert elsewhere is not worker
    assert pickle.loads(pickle.dumps(worker)) is elsewhere  # one per process
    genotypes = search_runs.sample_architectures(config)
    job = {"evaluator": "table:truth.csv", "seed": 0, "teacher": None}
    scores = [
        elsewhere.do({**job, "genotype": genotypes[key].to_text()})["score"]
        for key in keys
    ]
    assert scores == [0.1, 0.2, 0.3, 0.4]


def test_ranking_is_as_documented(done, truth):
    ranked = _json(done[0], "ranking.json")
    assert ranked["num_architectures"] == _N
    assert ranked["truth"]["evaluator"] == truth[0]
    assert ranked["truth"]["best"] == 0.4
    assert list(ranked["evaluators"]) == ["params", "flops"]
    for row in ranked["evaluators"].values():
        assert row.keys() >= {
            "spearman",
            "spearman_ci95",
            "kendall",
            "spearman_top_half",
            "precision_at_10",
            "best_of_top_5",
            "seconds_per_architecture",
            "setup_seconds",
            "total_seconds",
            "device_days",
            "budget",
            "gtn_digest",
        }
        assert row["setup_seconds"] == 0
        assert row["seconds"].keys() == {"build", "trace", "train"}
    assert list(ranked["differences"]) == ["params - flops"]
    assert ranked["differences"]["params - flops"].keys() >= {
        "spearman",
        "ci95",
    }


def test_the_selected_genotype_is_the_best_by_the_first_evaluator(done):
    results = JobStore(done[0] / "search" / "results").all().values()
    best = max(
        (r for r in results if r["evaluator"] == "params"),
        key=lambda r: r["score"],
    )
    selected = _json(done[0], "selected.json")
    assert selected["key"] == best["genotype_key"]
    assert selected["score"] == best["score"]
    assert Genotype.from_json(selected).key() == selected["key"]
    ranked = _json(done[0], "ranking.json")["selected"]
    assert ranked["genotype"] == selected["text"]


def test_the_logged_genotype_is_the_evaluated_one(done, truth):
    """The official code logs one and scores another."""
    results = JobStore(done[0] / "search" / "results").all()
    assert len(results) == 3 * _N
    true_scores = {key: (i + 1) / 10 for i, key in enumerate(truth[1])}
    for result in results.values():
        genotype = Genotype.from_text(result["genotype"])
        assert genotype.key() == result["genotype_key"]
        cost = cell_network_cost(genotype, 0, 2, (8, 8, 1), 10)
        expected = {
            "params": cost.params,
            "flops": cost.multiply_adds,
            truth[0]: true_scores[genotype.key()],
        }
        assert result["score"] == expected[result["evaluator"]]
        assert result["versions"].keys() == {"gtn_tf", "tensorflow", "keras"}
    assert len({r["score"] for r in results.values()}) > 2 * _N


def test_what_a_search_says(done):
    text = done[1]
    assert f"evaluation {3 * _N}/{3 * _N}" in text
    assert "ETA" in text
    # The live tables and the last one.
    begins = [line.split(" ")[0] for line in text.splitlines()]
    assert begins.count(_json(done[0], "selected.json")["key"]) > 1
    assert "Spearman [95 %]" in text
    for name in ("scatter.png", "cost.png", "selected.png"):
        assert (done[0] / "search" / name).stat().st_size > 1000


def test_what_a_report_reads_of_a_search(done):
    results = JobStore(done[0] / "search" / "results").all().values()
    found = read_search(done[0])
    assert found.scores == scores_by_evaluator(results)
    assert found.selected.key() == _json(done[0], "selected.json")["key"]


def test_nothing_is_evaluated_twice(done, truth, tmp_path):
    workdir = tmp_path / "copy"
    shutil.copytree(done[0], workdir)
    results = workdir / "search" / "results"
    lost, damaged, *_ = sorted(results.glob("*.json"))
    lost.unlink()
    damaged.write_text(damaged.read_text()[:-9])
    before = {p: p.stat().st_mtime_ns for p in results.glob("*.json")}
    jobs = tmp_path / "jobs"
    found = _search(workdir, truth=truth[0], hook=search_runs.CountJobs(jobs))
    assert found.code == 0, found
    assert len(jobs.read_text().splitlines()) == 2
    assert "set aside" in found.errors
    assert len(list(results.glob("*.json"))) == 3 * _N
    del before[damaged]
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())


def test_killed_anywhere_it_goes_on(truth, tmp_path):
    workdir, jobs = tmp_path / "workdir", tmp_path / "jobs"
    for number in (signal.SIGTERM, signal.SIGKILL):
        hook = search_runs.SignalAfter(3, number)
        found = _search(workdir, truth=truth[0], hook=hook)
        assert (
            found.code
            == {
                signal.SIGTERM: 128 + signal.SIGTERM,
                signal.SIGKILL: -signal.SIGKILL,
            }[number]
        )
    assert len(list((workdir / "search/results").glob("*.json"))) == 6
    assert not (workdir / "search" / "ranking.json").exists()
    found = _search(workdir, truth=truth[0], hook=search_runs.CountJobs(jobs))
    assert found.code == 0, found
    assert f"6 of {3 * _N} evaluations are there" in found.errors
    assert len(jobs.read_text().splitlines()) == 3 * _N - 6
    assert (workdir / "search" / "ranking.json").exists()


def test_two_shards_share_a_workdir(done, truth, tmp_path):
    jobs = tmp_path / "jobs"
    workdir = tmp_path / "workdir"
    for shard in (0, 1):
        assert not (workdir / "search" / "ranking.json").exists()
        found = _search(
            workdir,
            truth=truth[0],
            shard=shard,
            num_shards=2,
            hook=search_runs.CountJobs(jobs),
        )
        assert found.code == 0, found
    lines = jobs.read_text().splitlines()
    assert len(set(lines)) == len(lines) == 3 * _N
    one, two = (_json(w, "ranking.json") for w in (done[0], workdir))
    for name in ("params", "flops"):
        spearman = [r["evaluators"][name]["spearman"] for r in (one, two)]
        assert spearman[0] == spearman[1]


def test_failures_rank_last(tmp_path, truth):
    """Of the evaluator that selects, and of the truth."""
    half = tmp_path / "half.csv"
    keys = search_runs.write_truth(half, num_missing=2)
    found = _search(
        tmp_path / "workdir",
        truth=truth[0],
        evaluators=f"('table:{half}','params')",
    )
    assert found.code == 0, found
    assert "failed under table" in found.errors
    ranked = _json(tmp_path / "workdir", "ranking.json")
    row = ranked["evaluators"][f"table:{half}"]
    assert row["num_failed"] == 2
    assert ranked["selected"]["key"] == keys[-1]
    # Two failures that tie, at the place where the truth has 1 and 2.
    assert row["spearman"] == pytest.approx(0.948683, abs=1e-6)
    results = JobStore(tmp_path / "workdir/search/results").all().values()
    failed = [r for r in results if r["status"] == "failed"]
    assert sorted(r["genotype_key"] for r in failed) == sorted(keys[:2])
    assert "no such genotype" in failed[0]["reason"]


def test_the_truth_of_a_part(tmp_path, truth):
    found = _search(tmp_path, truth=truth[0], truth_num_architectures=3)
    assert found.code == 0, found
    ranked = _json(tmp_path, "ranking.json")
    assert ranked["num_architectures"] == 3
    assert (ranked["keys"][:3], len(ranked["keys"])) == (truth[1][:3], _N)
    assert ranked["evaluators"]["params"]["num_scored"] == _N
    assert ranked["config"]["search"]["truth_num_architectures"] == 3
    assert (tmp_path / "search" / "scatter.png").exists()
    found = _search(tmp_path, truth=truth[0], truth_num_architectures=0)
    assert found.code == 0, found
    # Nothing is left of the search before.
    assert not (tmp_path / "search" / "scatter.png").exists()
    ranked = _json(tmp_path, "ranking.json")
    assert ranked["num_architectures"] == 0
    assert ranked["evaluators"]["params"]["spearman"] is None
    assert ranked["selected"]["key"]
    # Nor do the truths that the workdir holds count.
    scores = read_search(tmp_path).scores
    assert (len(scores["params"]), scores[truth[0]]) == (_N, {})


@pytest.mark.slow
def test_networks_are_trained(tmp_path):
    """A GTN of elsewhere; one genotype that cannot be built."""
    gtn = exports.write_export(tmp_path / "gtn" / "export").parent
    first, *_ = search_runs.sample_architectures(
        search_runs.get_config()
    ).values()
    found = _search(
        tmp_path / "workdir",
        gtn=gtn,
        num_architectures=3,
        evaluators="('gtn','real','params')",
        truth="real:steps=4",
        hook=search_runs.FailOn(first.to_text()),
    )
    assert found.code == 0, found
    ranked = _json(tmp_path / "workdir", "ranking.json")
    assert ranked["truth"]["num_failed"] == 1
    rows = ranked["evaluators"]
    assert [row["num_failed"] for row in rows.values()] == [1, 1, 0]
    assert rows["gtn"]["setup_seconds"] == exports.META_TRAINING_SECONDS
    assert rows["gtn"]["budget"]["dress"] == "search"
    assert rows["gtn"]["budget"]["interpreted"] is False
    assert ranked["truth"]["budget"]["dress"] == "train"
    assert ranked["truth"]["budget"]["steps"] == 4
    results = JobStore(tmp_path / "workdir/search/results").all().values()
    for result in results:
        assert (result["gtn_digest"] is None) == (result["evaluator"] != "gtn")
        if result["status"] == "failed":
            assert result["reason"] == "MemoryError: out of memory"
            assert result["genotype"] == first.to_text()
        elif result["evaluator"] == "real:steps=4":
            assert 0 <= result["score"] <= 1
        elif result["evaluator"] != "params":
            assert -10 < result["score"] < 0  # a log-likelihood


@pytest.mark.slow
def test_config_alone_is_enough(tmp_path):
    """The GTN is meta-trained first, once; distilled images likewise."""
    arguments = (
        "--config.meta.num_steps=1",
        "--config.search.num_architectures=1",
        "--config.search.truth=flops",
    )
    first = _search(tmp_path, *arguments, evaluators="('gtn','params')")
    assert first.code == 0, first
    assert "meta-trained first" in first.errors
    second = _search(tmp_path, *arguments, evaluators="('gtn','distillation')")
    assert second.code == 0, second
    assert "meta-trained first" not in second.errors
    assert "2 of 3 evaluations are there" in second.errors
    rows = _json(tmp_path, "ranking.json")["evaluators"]
    for name in ("gtn", "distillation"):
        assert rows[name]["setup_seconds"] > 0
        assert rows[name]["spearman"] is None  # of one architecture


@pytest.mark.parametrize(
    ("search", "parts"),
    [
        ({"evaluators": "('gtn','ralph')"}, ("'ralph'", "naswot")),
        ({"truth": "real:steps=x"}, ("steps=x",)),
        ({"truth": "params"}, ("one of search.evaluators",)),
        ({"truth": "rank_mean:gtn+real"}, ("but no rank_mean",)),
        (
            {"truth": "real:steps=9,readout=log_likelihood_along"},
            ("log_likelihood_along'; it is read after",),
        ),
        ({"truth": "real:statistics=validation"}, ("running statistics",)),
        (
            {"truth": "real", "evaluators": "('rank_mean:gtn+real',)"},
            ("one of search.evaluators",),
        ),
        ({"shard": 2, "num_shards": 2}, ("search.shard 2",)),
        ({"truth": "table:absent.csv"}, ("absent.csv", "cannot be read")),
        ({"ops": "('conv9x9',)"}, ("conv9x9", "conv1x1")),
        ({"num_architectures": 99, "ops": "('identity',)"}, ("99",)),
        (
            {"evaluators": "('gtn',)", "gtn": "/absent"},
            ("/absent", "--mode=export"),
        ),
    ],
)
def test_errors_are_one_line(tmp_path, truth, search, parts):
    found = _search(tmp_path, **{"truth": truth[0], **search})
    tiny.assert_one_line(found, 2, *parts)
    assert not (tmp_path / "search").exists()


def _worker(*evaluators):
    config = search_runs.get_config()
    config.search.evaluators = evaluators
    return Worker(search_spec(config))


def test_real_steps_without_a_number_are_the_gtns(tmp_path):
    path = exports.write_export(tmp_path / "export", num_steps=5)
    given = {"gtn": load(path)}
    worker = _worker("gtn", "real:steps=2")
    teachers.check_teachers(given, worker.session, worker.evaluators.values())
    worker = _worker("gtn", "real:steps=2", "real_subset")
    with pytest.raises(InputError, match="5 steps of 10 images") as caught:
        teachers.check_teachers(
            given, worker.session, worker.evaluators.values()
        )
    assert caught.match(tiny.ONE_LINE)


def test_what_is_no_gtn_is_not_meta_trained_as_one(tmp_path):
    config = search_runs.get_config()
    config.source = "real"
    none = teachers.prepare_teachers(
        config, tmp_path, _worker("params").evaluators.values()
    )
    assert none == ({}, {})
    evaluators = _worker("gtn").evaluators.values()
    with pytest.raises(InputError, match="source is 'real'") as caught:
        teachers.prepare_teachers(config, tmp_path, evaluators)
    assert caught.match(tiny.ONE_LINE)
    path = exports.write_export(tmp_path / "export")
    config.search.gtn = str(path)
    found, _ = teachers.prepare_teachers(config, tmp_path, evaluators)
    assert found.keys() == {"gtn"}
    config.search.gtn = "gtn:cifar10_16"
    found = teachers.prepare_teachers(config, tmp_path, evaluators)
    assert found[1] == {"gtn": pytest.approx(417, abs=0.5)}
    config.search.gtn = str(path)
    metadata = json.loads((path / "metadata.json").read_text())
    del metadata["meta_training_seconds"]  # as of earlier versions
    (path / "metadata.json").write_text(json.dumps(metadata))
    found = teachers.prepare_teachers(config, tmp_path, evaluators)
    assert found[1] == {"gtn": 0.0}


def test_a_gtn_of_fewer_meta_steps_is_trained_on(tmp_path, monkeypatch):
    config = search_runs.get_config()
    evaluators = _worker("gtn").evaluators.values()
    trained = []

    def pretrain(config, workdir, is_part):
        trained.append(config.meta.num_steps)
        return 1  # as if a signal had stopped it

    monkeypatch.setattr(teachers, "pretrain", pretrain)
    exports.write_export(tmp_path / "export")
    path = tmp_path / "export" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["config_digest"] = write._digest(config)
    metadata["meta_steps"] = config.meta.num_steps
    path.write_text(json.dumps(metadata))
    teachers.prepare_teachers(config, tmp_path, evaluators)
    assert trained == []
    config.meta.num_steps += 1
    with pytest.raises(Stopped):
        teachers.prepare_teachers(config, tmp_path, evaluators)
    assert trained == [config.meta.num_steps]


def test_a_mean_of_ranks_stands_beside_its_parts(tmp_path, truth):
    half = tmp_path / "half.csv"
    keys = search_runs.write_truth(half, num_missing=1)
    mean = f"rank_mean:params+table:{half}"
    found = _search(
        tmp_path / "workdir", truth=truth[0], evaluators=f"('{mean}','params')"
    )
    assert found.code == 0, found
    ranked = _json(tmp_path / "workdir", "ranking.json")
    assert list(ranked["evaluators"]) == [mean, "params", f"table:{half}"]
    results = JobStore(tmp_path / "workdir/search/results").all().values()
    params = scores_by_evaluator(results)["params"]
    order = sorted(keys[1:], key=params.get)
    expected = {
        key: (1 + order.index(key) + 1 + keys[1:].index(key)) / 2 / (_N - 1)
        for key in keys[1:]
    }
    # Whoever fails in one part fails.
    expected[keys[0]] = None
    assert read_search(tmp_path / "workdir").scores[mean] == expected
    row = ranked["evaluators"][mean]
    assert row["num_failed"] == 1
    parts = [ranked["evaluators"][name] for name in ("params", f"table:{half}")]
    for name in ("seconds_per_architecture", "total_seconds"):
        assert row[name] == sum(part[name] for part in parts)
    best = max((k for k in keys[1:]), key=lambda k: (expected[k], -ord(k[0])))
    assert expected[ranked["selected"]["key"]] == expected[best]


def test_every_process_pays_for_its_set_up():
    def result(key, setup):
        return {
            "genotype_key": key,
            "evaluator": "gtn",
            "budget": {},
            "gtn_digest": "12ab",
            "genotype": "",
            "score": 0.5,
            "seconds": {"train": 2.0, "setup": setup},
        }

    truth = [{**result(key, 0.0), "evaluator": "real"} for key in "abc"]
    gtn = [result("a", 30.25), result("b", 31.5), result("c", 30.25)]
    _, ranked = summarize([*gtn, *truth], ["gtn"], "real", {"gtn": 100.0})
    row = ranked["evaluators"]["gtn"]
    assert row["setup_seconds"] == 100.0 + 30.25 + 31.5
    assert row["seconds_per_architecture"] == 2.0
    assert row["total_seconds"] == row["setup_seconds"] + 3 * 2.0


def test_a_gtn_of_other_data_is_refused(tmp_path, truth):
    dataset = data.load("digits")
    other = dataclasses.replace(dataset, mean=(0.3,))
    exports.write_export(tmp_path / "a")
    exports.write_export(tmp_path / "b", other)
    metadata = tmp_path / "a" / "metadata.json"
    values = json.loads(metadata.read_text()) | {"dataset": "mnist"}
    metadata.write_text(json.dumps(values))
    for name, part in {"a": "of 'mnist'", "b": "other training"}.items():
        found = _search(
            tmp_path / "w",
            truth=truth[0],
            evaluators="('gtn',)",
            gtn=tmp_path / name,
        )
        tiny.assert_one_line(found, 2, part)
