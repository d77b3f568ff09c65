import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gtn_tf.experiments.experiment import find_experiment
from gtn_tf.nas.evaluators.table import read_scores
from gtn_tf.nas.results import read_search
from gtn_tf.nas.summary import evaluator_table
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.experiment_results import RESULTS, is_drawn
from tests.helpers.finished_search import (
    SCORES,
    TRUTH,
    write_search,
)
from tests.helpers.report_workdirs import RETRAINING
from tools import (
    claim_numbers,
    claims,
    record_figures,
    record_pages,
    record_tables,
    records,
)

_ROOT = Path(__file__).parents[2]
_EVALUATION = {
    "learner": "mlp",
    "num_inner_steps": 2,
    "inner_batch_size": 10,
    "sources": {
        "gtn": {
            "accuracy": 0.912345678,
            "ci95": [0.9, 0.925],
            "num_learners": 3,
            "setup_seconds": 61.0,
            "how": "meta-trained",
        },
        "real": {
            "accuracy": 0.8,
            "ci95": None,
            "num_learners": 3,
            "setup_seconds": 601.0,
            "how": "learned rates",
        },
    },
    "differences": {"gtn - real": {"mean": 0.1123, "ci95": [0.1, 0.125]}},
    "environment": {
        "tensorflow": "2.21.0",
        "commit": "abc1234",
        "cpu": "a CPU",
        "num_cores": 2,
    },
}
_TRAINED = {
    **RETRAINING,
    "num_training_images": 1397,
    "num_test_images": 400,
    "seconds": [60.0, 62.0],
    "environment": {"tensorflow": "2.21.0", "cpu": "a CPU"},
}
_ENVIRONMENT = {"tensorflow": "2.21.0", "cpu": "a CPU", "num_cores": 2}
_ROWS = [
    {"step": 1, "seconds": 2.0},
    {"step": 2, "seconds": 99.4, "validation_accuracy": 0.25},
]


@pytest.fixture
def workdir(tmp_path):
    folder = tmp_path / "run"
    (folder / "export").mkdir(parents=True)
    (folder / "experiments" / "transfer").mkdir(parents=True)
    (folder / "config.json").write_text(
        '{"seed": 3, "dataset": {"data_dir": "/here"}, '
        '"retrain": {"genotype": "search:/here", "channels": 8}}'
    )
    (folder / "evaluation.json").write_text(json.dumps(_EVALUATION))
    lines = "".join(json.dumps(row) + "\n" for row in _ROWS)
    (folder / "metrics.jsonl").write_text(lines)
    experiment = folder / "experiments" / "transfer"
    result = {"arms": {"own": 1.23456789}, "reason": f"lost in {folder}/run"}
    (experiment / "result.json").write_text(json.dumps(result))
    (experiment / "scores.csv").write_text("genotype,score\n")
    training = folder / "retrain" / "pick"
    training.mkdir(parents=True)
    (training / "result.json").write_text(json.dumps(_TRAINED))
    images = np.linspace(-2, 2, 12, dtype=np.float32).reshape(2, 6)
    np.savez(folder / "export" / "curriculum.npz", images=images)
    return folder


def test_keeps_what_is_small(workdir, tmp_path):
    kept = tmp_path / "kept"
    records.keep(workdir, kept)
    assert {path.name for path in kept.iterdir()} == {
        *("config.json", "evaluation.json", "training.json"),
        *("transfer.json", "transfer_scores.csv", "curriculum.npz"),
        "retrain_pick.json",
    }
    assert (kept / "transfer_scores.csv").read_text() == "genotype,score\n"
    config = json.loads((kept / "config.json").read_text())
    assert config == {
        "seed": 3,
        "dataset": {"data_dir": None},
        "retrain": {"genotype": None, "channels": 8},
    }
    evaluation = json.loads((kept / "evaluation.json").read_text())
    assert evaluation["sources"]["gtn"]["accuracy"] == 0.91235
    experiment = json.loads((kept / "transfer.json").read_text())
    assert experiment == {
        "arms": {"own": 1.2346},
        "reason": "lost in WORKDIR/run",
    }
    assert json.loads((kept / "training.json").read_text()) == {
        "meta_steps": 2,
        "seconds": 99.4,
        "validation_accuracy": [[2, 0.25]],
    }
    with np.load(kept / "curriculum.npz") as arrays:
        assert arrays["images"].dtype == np.float16
        expected = np.linspace(-2, 2, 12).reshape(2, 6)
        np.testing.assert_allclose(arrays["images"], expected, atol=1e-3)


def test_a_large_curriculum_is_left_out(workdir, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "_MOST_BYTES", 10)
    records.keep(workdir, tmp_path / "kept")
    assert not (tmp_path / "kept" / "curriculum.npz").exists()


def test_table_has_the_numbers(workdir, tmp_path):
    records.keep(workdir, tmp_path / "results" / "digits")
    text = record_tables.tables(tmp_path / "results")
    assert (
        "## `digits`\n\n**Test** accuracy of 3 fresh learners (`mlp`)" in text
    )
    assert "2 meta-steps in 99.4 s" in text
    assert "a CPU, TF 2.21.0, commit abc1234." in text
    assert "| GTN | 0.912 [0.900, 0.925] |  | 61.0 s | meta-trained |" in text
    expected = "| 0.800 - | +0.112 [0.100, 0.125] | 10.0 min | learned rates |"
    assert expected in text


@pytest.mark.parametrize("name", record_pages.PAGES)
def test_pages_are_up_to_date(name):
    text = (_ROOT / name).read_text()
    results = record_pages.PAGES[name](_ROOT / "docs" / "results")
    expected = record_pages.with_results(text, results)
    assert text == expected, "run `make results`"


def test_every_kept_result_is_on_a_page():
    folder = _ROOT / "docs" / "results"
    pages = "".join(path.read_text() for path in folder.rglob("*.md"))
    for kept in folder.iterdir():
        if kept.is_dir():
            assert f"{kept.name}" in pages


def test_what_no_trial_has_measured_is_not_said_to_have_diverged():
    for path in (_ROOT / "docs" / "results").glob("*/*.json"):
        kept = json.loads(path.read_text())
        if isinstance(kept, dict) and kept.get("results"):
            text = find_experiment(kept["experiment"]).table(kept)
            has_diverged = any(t["status"] != "ok" for t in kept["results"])
            assert has_diverged or "diverged, left out" not in text, path


def test_a_claim_names_the_commits_of_its_trials(tmp_path):
    (tmp_path / "a").mkdir()
    trials = [{"environment": _ENVIRONMENT | {"commit": c}} for c in "ppq"]
    kept = {"environment": _ENVIRONMENT | {"commit": "later"}}
    kept["results"] = trials
    (tmp_path / "a" / "kept.json").write_text(json.dumps(kept))
    row = claims.Claim(
        "claim", "a/kept.json", "page.md", lambda _: (1.0, None), "seeds"
    )
    text = claims.claims_table(tmp_path, "", [row])
    assert "[a](a/config.json), p, q |" in text
    assert "later" not in text
    assert text.endswith("Measured on 2 core(s); a CPU; TF 2.21.0.")


def test_a_claim_says_which_way_it_goes(tmp_path):
    for name, interval in (("a", [0.1, 0.3]), ("b", [-0.3, -0.1])):
        (tmp_path / name).mkdir()
        row = {"mean": sum(interval) / 2, "ci95": interval}
        kept = {"row": row, "environment": {"tensorflow": "2.21"}}
        (tmp_path / name / "kept.json").write_text(json.dumps(kept))
    rows = [
        claims.Claim(
            f"claim {name}",
            f"{name}/kept.json",
            "page.md",
            lambda kept: (kept["row"]["mean"], kept["row"]["ci95"]),
            "seeds",
        )
        for name in "ab"
    ]
    text = claims.claims_table(tmp_path, "docs/", rows)
    assert "| [claim a](docs/page.md) | +0.200 [0.100, 0.300] | ahead |" in text
    assert "| -0.200 [-0.300, -0.100] | behind | seeds |" in text
    assert claims.verdict([0.9, 1.2], is_ratio=True) == "undecided"
    assert claims.verdict([1.1, 1.2], is_ratio=True) == "ahead"


def test_an_experiment_has_its_table_and_figure(tmp_path):
    environment = {"tensorflow": "2.21.0", "commit": "abc1234"}
    for name, result in RESULTS.items():
        for trial in result.get("results", []):
            trial["seconds"] = 50.0
        (tmp_path / "digits").mkdir(exist_ok=True)
        (tmp_path / "digits" / f"{name}.json").write_text(
            json.dumps({**result, "environment": environment})
        )
    (tmp_path / "digits" / "evaluation.json").write_text(
        json.dumps(_EVALUATION)
    )
    for name, result in RESULTS.items():
        page = record_tables.experiments(tmp_path, name)
        assert page.startswith("## `digits`\n\n")
        assert find_experiment(name).table(result) in page
        assert f'src="digits/{name}.png"' in page
        assert f'srcset="digits/{name}_dark.png"' in page
        assert page.count("## `") == 1
        assert "TF 2.21.0, commit abc1234." in page
    page = record_tables.experiments(tmp_path, "curricula")
    assert "10 meta-trainings in 8.33 min. " in page


def test_an_experiment_names_its_setting_and_its_trials_commits(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    trials = [
        {**trial, "seconds": 1.0, "environment": {"tensorflow": version}}
        for trial, version in zip(
            RESULTS["weight_norm"]["results"],
            ("2.19", "2.19", "2.20", "2.20", "2.20", "2.19"),
            strict=True,
        )
    ]
    result = {**RESULTS["weight_norm"], "results": trials}
    result["environment"] = {"tensorflow": "2.21"}
    (folder / "weight_norm.json").write_text(json.dumps(result))
    config = {
        "inner": {"num_steps": 3, "batch_size": 4},
        "meta": {"num_steps": 5},
    }
    (folder / "config.json").write_text(json.dumps(config))
    page = record_tables.experiments(tmp_path, "weight_norm")
    assert "## `small`\n" in page
    assert (
        "T = 3, B = 4, 5 meta-steps, meta.noise_rate_ratio 1 unless an arm "
        "says otherwise ([config](small/config.json)). 6 meta-trainings "
        "in 6.00 s. - core(s), -, TF 2.19, commit -; - core(s), -, TF 2.20, "
        "commit -.\n"
    ) in page


def test_the_experiments_page_has_trainings_to_the_end(workdir, tmp_path):
    records.keep(workdir, tmp_path / "results" / "tried")
    page = record_tables.trainings(tmp_path / "results")
    begin = "## `tried`\n\ncifar10_16, 1000 epochs of 1397 images; "
    assert begin in page
    row = "| `pick` | search-0123 | 1, 8 | 54.3k | - | 3 | 31.25 +- 1.25 % "
    assert f"{row}| 61.0 s |" in page


def test_the_experiments_page_has_searches(tmp_path):
    ranked = write_search(tmp_path / "run")
    folder = tmp_path / "run" / "search"
    ranked["environment"] = {"tensorflow": "2.21.0", "commit": "abc1234"}
    ranked["config"] = {
        "dataset": {"name": "digits", "data_dir": "/here"},
        "search": {"gtn": "/there", "distillation": None, "num_nodes": 3},
    }
    for row in (ranked["truth"], *ranked["evaluators"].values()):
        row |= {"setup_seconds": 0.5, "device_days": 0.25} | row
        row.setdefault("seconds_per_architecture", None)
    (folder / "ranking.json").write_text(json.dumps(ranked))
    records.keep(tmp_path / "run", tmp_path / "results" / "tried")
    kept = json.loads((tmp_path / "results/tried/search.json").read_text())
    assert kept["config"] == {
        "dataset": {"name": "digits", "data_dir": None},
        "search": {"gtn": None, "distillation": None, "num_nodes": 3},
    }
    page = record_tables.searches(tmp_path / "results")
    assert "## `tried`\n\nAll scores: " in page
    assert "TF 2.21.0, commit abc1234." in page
    assert f"```\n{evaluator_table(ranked)}\n```" in page
    record_figures.draw(tmp_path / "results" / "tried")
    for name in ("tried/search_scatter", "tried/search_cost"):
        assert f'src="{name}.png"' in page
        assert is_drawn(tmp_path / "results" / f"{name}.png")
        assert is_drawn(tmp_path / "results" / f"{name}_dark.png")


def test_every_kept_result_has_its_figures():
    for path in (_ROOT / "docs" / "results").glob("*/*.json"):
        is_shown = path.stem == "evaluation" or (
            "experiment" in json.loads(path.read_text())
        )
        pictures = [path.stem] * is_shown
        pictures += ["search_cost", "search_scatter"] * (path.stem == "search")
        for name in pictures:
            for twin in (name, f"{name}_dark"):
                assert is_drawn(path.with_name(f"{twin}.png")), "make results"


def test_a_kept_curriculum_is_drawn_beside_real_images(tmp_path):
    kept = tmp_path / "digits"
    shutil.copytree(_ROOT / "docs" / "results" / "digits", kept)
    for path in (*kept.glob("*.png"), *kept.glob("*.json")):
        if path.name != "config.json":
            path.unlink()
    record_figures.draw(kept)
    assert is_drawn(kept / "curriculum.png")
    assert is_drawn(kept / "curriculum_dark.png")
    (kept / "real_images.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        record_figures.draw(kept)


def test_kept_scores_are_a_table_for_other_searches(tmp_path):
    write_search(tmp_path / "run")
    records.keep(tmp_path / "run", tmp_path / "kept")
    path = tmp_path / "kept" / "search_scores.csv"
    texts = read_search(tmp_path / "run").genotypes
    found = read_scores(path, SearchSpace())
    expected = {
        Genotype.from_text(texts[key]).key(): score
        for key, score in SCORES[TRUTH].items()
        if score is not None
    }
    assert found == pytest.approx(expected, rel=1e-5)
    with path.open(newline="") as file:
        rows = {row["genotype"]: row for row in csv.DictReader(file)}
    for name in SCORES.keys() - {TRUTH}:
        for key, text in texts.items():
            if SCORES[TRUTH].get(key) is None:
                assert text not in rows
            elif SCORES[name].get(key) is None:
                assert rows[text][name] == ""
            else:
                assert float(rows[text][name]) == pytest.approx(
                    SCORES[name][key], rel=1e-5
                )


def test_keeping_again_leaves_nothing_old(workdir, tmp_path):
    kept = tmp_path / "kept"
    records.keep(workdir, kept)
    shutil.rmtree(workdir / "experiments")
    records.keep(workdir, kept)
    assert not (kept / "transfer.json").exists()
    assert (kept / "evaluation.json").exists()


def test_text_around_the_results_stays():
    page = f"before\n{record_pages.BEGIN}\nold\n{record_pages.END}\nafter\n"
    found = record_pages.with_results(page, "new")
    assert found.startswith("before\n")
    assert found.endswith("\nafter\n")
    assert "old" not in found
    assert record_pages.with_results(found, "new") == found
    with pytest.raises(InputError, match="no lines"):
        record_pages.with_results("a page", "new")


def _refusal(folder, *arguments):
    """The one line of the command in the package of a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "gtn_tf.records", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("arguments", [[], ["keep"], ["keep", "/nowhere", "x"]])
def test_bad_arguments(arguments):
    assert "; expected " in _refusal(_ROOT, *arguments)


def test_an_installed_package_has_no_tools(tmp_path):
    (tmp_path / "gtn_tf").mkdir()
    for name in ("__init__.py", "records.py"):
        shutil.copy(_ROOT / "gtn_tf" / name, tmp_path / "gtn_tf")
    assert "has no tools/records.py" in _refusal(tmp_path, "table")


def test_picks_are_means_over_strategies_by_seed():
    picks = {"gtn": (0.5, 0.7, 0.3, 0.5), "params": (0.4, 0.4, 0.3, 0.3)}
    kept = {
        "searches": [
            {"evaluator": name, "seed": number // 2, "pick": pick}
            for name, values in picks.items()
            for number, pick in enumerate(values)
        ]
    }
    number, interval = claim_numbers.picks("params")(kept)
    assert number == pytest.approx(0.15)  # of 0.2 and 0.1
    half = 12.7062 * 0.05  # t of one degree of freedom, standard error
    assert interval == pytest.approx((0.15 - half, 0.15 + half), abs=1e-4)
