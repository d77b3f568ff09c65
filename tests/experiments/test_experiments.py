import html
import json
import math
import os
import signal

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gtn_tf.config import validate
from gtn_tf.config.choices import EXPERIMENTS
from gtn_tf.experiments import (
    extended_data,
    few_step,
    more_data,
    transfer,
    trials,
    weight_norm,
)
from gtn_tf.experiments import figures as experiment_figures
from gtn_tf.experiments import tables as experiment_tables
from gtn_tf.experiments.catalog import EXPERIMENTS as CATALOG
from gtn_tf.experiments.few_step import bootstrap_steps, steps_to_reach
from gtn_tf.experiments.weight_norm import RANGES, draw_hyperparameters
from gtn_tf.layers.registry import INITIALIZERS
from gtn_tf.ops.seeds import fold
from gtn_tf.statistics.over_seeds import (
    difference,
    mean_accuracy,
    of_arm,
    over_seeds,
)
from gtn_tf.training.assembly import build_learner_family, check_learners
from gtn_tf.training.run import write_config
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.experiment_results import RESULTS
from tests.helpers.exported import NUM_ROUNDINGS, build, exported
from tests.helpers.float_tolerance import assert_close

_ACCURACY = mean_accuracy("test")
_WEIGHT_NORM = (
    "--mode=evaluate",
    "--config.evaluation.experiment=weight_norm",
    "--config.evaluation.num_draws=1",
    "--config.evaluation.num_learners=2",
    "--config.meta.num_steps=2",
)


class _KillAtTrial:
    """A hook: the process is killed when this trial begins."""

    def __init__(self, number):
        self._number = number

    def __call__(self):
        pretrain, calls = trials.pretrain, []

        def counted(config, workdir):
            calls.append(workdir)
            if len(calls) == self._number:
                os.kill(os.getpid(), signal.SIGKILL)
            return pretrain(config, workdir)

        trials.pretrain = counted


def test_killed_goes_on_and_again_only_draws(tmp_path):
    done = tiny.run_main(tmp_path, *_WEIGHT_NORM, hook=_KillAtTrial(2))
    assert done.code == -signal.SIGKILL
    folder = tmp_path / "experiments" / "weight_norm"
    first = folder / "weight_norm" / "0" / "result.json"
    written = first.stat().st_mtime_ns
    assert not (folder / "plain" / "0" / "result.json").exists()
    done = tiny.run_main(tmp_path, *_WEIGHT_NORM)
    assert done.code == 0, done
    assert first.stat().st_mtime_ns == written
    result = json.loads((folder / "result.json").read_text())
    assert experiment_tables.weight_norm(result) in done.errors
    normalised, plain = result["results"]
    drawn = draw_hyperparameters(0, 0)
    for trial in (normalised, plain):
        assert trial["status"] == "ok"
        assert {k: trial["asked"][k] for k in drawn} == drawn
        assert trial["asked"]["meta.global_clipnorm"] is None
        loss = trial["final_meta_loss"]
        assert result["arms"][trial["arm"]]["best"] == loss
    assert normalised["asked"]["learner.weight_norm"]
    assert not plain["asked"]["learner.weight_norm"]
    (folder / "figure.png").unlink()
    done = tiny.run_main(tmp_path, *_WEIGHT_NORM, hook=_KillAtTrial(1))
    assert done.code == 0, done  # no trial began
    assert (folder / "figure.png").exists()
    done = tiny.run_main(tmp_path, "--mode=report")  # of experiments alone
    assert done.code == 0, done
    page = (tmp_path / "report.html").read_text()
    assert "<h1>Experiments on digits</h1>" in page
    assert html.escape(experiment_tables.weight_norm(result)) in page
    other = (*_WEIGHT_NORM, "--config.inner.num_steps=1")
    done = tiny.run_main(tmp_path, *other)
    tiny.assert_one_line(done, 2, "inner.num_steps=1 (saved: 2)")
    (tmp_path / "config.json").unlink()
    done = tiny.run_main(tmp_path, *other)
    tiny.assert_one_line(done, 2, "inner.num_steps=2", "expected 1")


class _FewRecipes:
    """A hook: `transfer` has two recipes and two learners."""

    def __call__(self):
        recipes, make_variants = transfer.recipes, transfer.make_variants
        transfer.recipes = lambda *sizes: {
            name: recipes(*sizes)[name] for name in ("own", "real")
        }
        transfer.make_variants = lambda *sizes: {
            name: make_variants(*sizes)[name]
            for name in ("mlp", "plain layers")
        }


@pytest.mark.slow
def test_transfer_from_the_command_line(tmp_path):
    done = tiny.run_main(
        tmp_path,
        "--mode=evaluate",
        "--config.evaluation.experiment=transfer",
        "--config.evaluation.num_seeds=2",
        "--config.evaluation.num_learners=3",
        hook=_FewRecipes(),
    )
    assert done.code == 0, done
    folder = tmp_path / "experiments" / "transfer"
    result = json.loads((folder / "result.json").read_text())
    assert experiment_tables.transfer(result) in done.errors
    assert _is_drawn(folder / "figure.png")
    for arm in ("own", "real"):
        found = [r for r in result["results"] if r["arm"] == arm]
        for split, part in (
            ("test", result["arms"][arm]["plain layers"]),
            ("validation", result["chosen_by"][arm]),
        ):
            values = [r[f"{split}_accuracies_on"] for r in found]
            means = [np.mean(v["plain layers"]) for v in values]
            assert part["mean"] == pytest.approx(np.mean(means))
            assert len(values[0]["mlp"]) == 3
            assert values[0]["mlp"] != values[0]["plain layers"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["few_step", "curricula", "more_data"])
def test_from_the_command_line(tmp_path, name):
    assert tiny.run_main(tmp_path).code == 0
    done = tiny.run_main(
        tmp_path,
        "--mode=evaluate",
        f"--config.evaluation.experiment={name}",
        "--config.evaluation.num_seeds=2",
        "--config.evaluation.num_learners=2",
        "--config.evaluation.tuning_learning_rates=(0.1,0.5)",
        "--config.evaluation.tuning_momenta=(0.5,)",
        "--config.evaluation.tuning_num_learners=1",
    )
    assert done.code == 0, done
    folder = tmp_path / "experiments" / name
    result = json.loads((folder / "result.json").read_text())
    assert experiment_tables.TABLES[name](result) in done.errors
    assert _is_drawn(folder / "figure.png")
    done = tiny.run_main(
        tmp_path,
        "--mode=evaluate",
        "--config.evaluation.sources=('gtn',)",
        "--config.evaluation.num_learners=2",
    )
    assert done.code == 0, done
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    own = evaluation["sources"]["gtn"]["accuracies"]
    # The first seed's GTN is the workdir's, its learners those of `evaluate`.
    first_arm = {"few_step": "gtn", "curricula": "full", "more_data": "own"}
    of_arm = [r for r in result["results"] if r["arm"] == first_arm[name]]
    assert not (folder / first_arm[name] / "0" / "run").exists()
    assert (folder / first_arm[name] / "1" / "run").exists()
    if name == "few_step":
        found = [[a[-1] for a in r["accuracies_per_step"]] for r in of_arm]
    if name == "more_data":
        found = [
            row["accuracies"]
            for r in of_arm
            for row in r["sizes"]
            if row["source"] == "repeat" and row["num_steps"] == 2
        ]
    if name == "curricula":
        found = [r["test_accuracies"] for r in of_arm]
        mean = result["arms"]["full"]["mean"]
        assert mean == pytest.approx(np.mean(found))
    assert len(found) == 2
    assert found[0] == pytest.approx(own)
    assert found[1] != pytest.approx(own)


@pytest.mark.parametrize(
    ("name", "argument", "parts"),
    [
        ("more_data", "--config.source=distillation", ("'distillation'",)),
        (
            "more_data",
            "--config.curriculum.name=none",
            ("curriculum.name 'none'", "not 'none'"),
        ),
    ],
)
def test_what_an_experiment_needs(tmp_path, name, argument, parts):
    done = tiny.run_main(
        tmp_path,
        "--mode=evaluate",
        f"--config.evaluation.experiment={name}",
        argument,
    )
    tiny.assert_one_line(done, 2, *parts)
    assert not (tmp_path / "experiments").exists()


def test_the_workdirs_own_meta_training_is_not_repeated(tmp_path, monkeypatch):
    """Of another seed, of other steps or unfinished, it is another."""
    done = []

    def record(config, workdir):
        done.append(workdir.relative_to(tmp_path).parts[0])
        return _write_a_row(config, workdir)

    monkeypatch.setattr(trials, "pretrain", record)
    asked = trials.make_trials(_config(num_seeds=2), {"arm": {}})
    workdirs = {name: tmp_path / name for name in ("own", "torn", "none")}
    for name, workdir in workdirs.items():
        if name != "none":
            _write_a_row(asked[0].config, workdir)
            write_config(asked[0].config, workdir)
    checkpoints = workdirs["own"] / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "ckpt-8.index").touch()
    for workdir in workdirs.values():
        before = _files(workdir)
        trials.run_trials(asked, workdir / "experiments" / "name", None)
        assert _files(workdir) == before
    assert done == ["own", "torn", "torn", "none", "none"]
    config = _config(num_seeds=1)
    config.meta.num_steps = 9
    (longer,) = trials.make_trials(config, {"longer": {}})
    with pytest.raises(InputError, match="has done 8 meta-steps"):
        trials.run_trials([longer], workdirs["own"] / "experiments" / "x", None)
    assert done[-1] == "own"


def test_a_trial_of_another_process_is_left_to_it(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(trials, "pretrain", _write_a_row)
    asked = trials.make_trials(_config(num_seeds=2), {"arm": {}})
    with (
        tiny.held_by_another_process(tmp_path / "arm" / "0"),
        pytest.raises(trials.LeftToOthersError, match=r"1 of 2 .*arm/0"),
    ):
        trials.run_trials(asked, tmp_path, None)
    assert "another process has it" in capsys.readouterr().err
    found = trials.run_trials(asked, tmp_path, None)
    assert [r["pair"] for r in found] == [0, 1]


def _files(workdir):
    """What is beside the experiments, and its contents."""
    return {
        path: path.read_bytes()
        for path in workdir.rglob("*")
        if path.is_file() and "experiments" not in path.parts
    }


def _write_a_row(config, workdir):
    workdir.mkdir(parents=True)
    row = {"step": 8, "final_meta_loss": 2.0, "seconds": 3.0}
    (workdir / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    return 0


def test_a_trial_older_than_a_key_has_its_default(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "pretrain", _write_a_row)
    (trial,) = trials.make_trials(_config(num_seeds=1), {"arm": {}})
    trials.run_trials([trial], tmp_path, None)
    path = tmp_path / "arm" / "0" / "result.json"
    result = json.loads(path.read_text())
    del result["asked"]["inner.truncation_window"]
    path.write_text(json.dumps(result))
    assert trials.run_trials([trial], tmp_path, None) == [result]
    del result["asked"]["inner.num_steps"]  # 2 is not the default
    path.write_text(json.dumps(result))
    with pytest.raises(InputError, match=r"inner\.num_steps"):
        trials.run_trials([trial], tmp_path, None)


def test_no_trial_begins_before_all_are_valid(tmp_path):
    arms = {"good": {}, "bad": {"inner.num_steps": 0}}
    asked = trials.make_trials(_config(num_seeds=1), arms)
    with pytest.raises(InputError, match=r"inner\.num_steps"):
        trials.run_trials(asked, tmp_path, None)
    assert not list(tmp_path.iterdir())


def test_divergence_is_a_result(tmp_path, monkeypatch):
    def diverge(config, workdir):
        workdir.mkdir(parents=True)
        rows = [{"step": 1, "final_meta_loss": 2.0, "seconds": 3.0}]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (workdir / "metrics.jsonl").write_text(text)
        raise trials.DivergenceError("meta_loss is nan")

    monkeypatch.setattr(trials, "pretrain", diverge)
    asked = trials.make_trials(_config(num_seeds=2), {"arm": {}})
    results = trials.run_trials(asked, tmp_path, None)
    assert [r["status"] for r in results] == ["diverged"] * 2
    assert results[0]["meta_steps"] == 1
    assert of_arm(results, "arm", _ACCURACY) == {
        "mean": None,
        "std": None,
        "ci95": None,
        "num_seeds": 0,
        "num_failed": 2,
    }


def _config(**evaluation):
    config = tiny.get_config()
    config.evaluation.update(evaluation)
    return config


def test_trials_are_pairs_of_seeds():
    config = _config(num_seeds=2)
    config.seed = 5
    arms = {"a": {}, "b": {"inner.momentum": 0.9}}
    found = trials.make_trials(config, arms)
    assert [(t.arm, t.pair) for t in found] == [
        ("a", 5),
        ("b", 5),
        ("a", 6),
        ("b", 6),
    ]
    assert [t.config.inner.momentum for t in found] == [0.5, 0.9, 0.5, 0.9]
    assert [t.config.seed for t in found] == [5, 5, 6, 6]
    assert config.inner.momentum == 0.5


def test_statistics_of_hand_made_results():
    results = [
        {"arm": arm, "pair": pair, "test_accuracies": values}
        for arm, pair, values in (
            ("a", 0, [0.5, 0.7]),
            ("a", 1, [0.8, 0.8]),
            ("b", 0, [0.5, 0.5]),
            ("b", 2, [0.1, 0.1]),
        )
    ]
    results.append({"arm": "b", "pair": 1})  # diverged
    found = of_arm(results, "a", _ACCURACY)
    assert found["mean"] == pytest.approx(0.7)
    assert found["std"] == pytest.approx(math.sqrt(0.02))
    # Student's t of one degree of freedom: 12.706.
    half = 12.7062047 * math.sqrt(0.02) / math.sqrt(2)
    assert found["ci95"] == pytest.approx((0.7 - half, 0.7 + half))
    gap = difference(results, "a", "b", _ACCURACY)
    assert gap["mean"] == pytest.approx(0.1)
    assert gap["num_pairs"] == 1
    assert of_arm(results, "b", _ACCURACY)["num_failed"] == 1
    assert difference(results, "a", "c", _ACCURACY) is None


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [
        (0.5, 10.0),
        (0.6, 10.0),
        (0.7, 20.0),
        (0.65, math.sqrt(200)),
        (0.9, None),
    ],
)
def test_steps_to_reach(accuracy, expected):
    rows = ((10, 0.6), (20, 0.7), (40, 0.8))
    real = [{"num_steps": n, "accuracy": a} for n, a in rows]
    found = steps_to_reach(accuracy, real)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_bootstrap_of_the_steps_needed():
    real = [
        {"num_steps": steps, "accuracies": [low, high]}
        for steps, low, high in ((10, 0.4, 0.6), (20, 0.5, 0.7))
    ]
    # Learners (0, 0), (0, 1) or (1, 1): 0.5, 0.6 and 0.65 on the GTN's data.
    low, high = bootstrap_steps([0.5, 0.7], real, seed=0)
    assert low == pytest.approx(20.0)
    assert high == pytest.approx(20.0)
    low, high = bootstrap_steps([0.3, 0.75], real, seed=0)
    assert low == pytest.approx(10.0)
    assert high is None


def _few_step_result(per_step, *real):
    rows = [{"num_steps": n, "accuracies": a, "how": ""} for n, a in real]
    return {"accuracies_per_step": per_step, "real": rows}


def test_speed_up_over_gtn_seeds():
    """0.6 and 0.8 in the end: reached at 20 and at 80 of 10 steps."""
    real = [(10, [0.4, 0.6]), (20, [0.5, 0.7]), (80, [0.7, 0.9])]
    results = [
        _few_step_result([[0.2, 0.5], [0.4, 0.7]], *real[:2]),
        _few_step_result([[0.3, 0.8], [0.5, 0.8]], *real),
    ]
    found = few_step.summarize(results, 10 // 5, seed=0)
    assert found["accuracy_per_step"] == pytest.approx([0.35, 0.7])
    assert found["accuracy"] == pytest.approx(0.7)
    over_two = over_seeds([[0.6], [0.8]], 2)
    assert found["ci95"] == pytest.approx(over_two["ci95"])
    assert not found["is_at_most"]
    assert found["real_steps_needed"] == pytest.approx(40.0)  # sqrt(20 x 80)
    assert found["speed_up"] == pytest.approx(20.0)
    low, high = found["speed_up_ci95"]
    assert low * high == pytest.approx(20.0**2)
    # t of one degree of freedom: 12.706 standard errors, each log(2).
    assert math.log(high / 20.0) == pytest.approx(12.7062 * math.log(2), 1e-4)
    assert [(row["num_steps"], row["num_seeds"]) for row in found["real"]] == [
        (10, 2),
        (20, 2),
        (80, 1),
    ]
    assert found["real"][2]["accuracy"] == pytest.approx(0.8)
    assert found["real"][1]["ci95"] is not None
    assert found["real"][2]["ci95"] is None  # one of two seeds
    short = [results[0], _few_step_result([[0.3, 0.95]] * 2, *real)]
    found = few_step.summarize(short, 2, seed=0)
    assert found["real_steps_needed"] is None
    assert found["speed_up"] is None
    assert found["speed_up_ci95"] is None
    weak = [_few_step_result([[0.3, 0.4]] * 2, (10, [0.5, 0.6]))] * 3
    found = few_step.summarize(weak, 2, seed=0)
    assert found["real_steps_needed"] == pytest.approx(10.0)
    assert not found["is_at_most"]
    weak = [_few_step_result([[0.3, 0.4]] * 2, (2, [0.5, 0.6]))] * 3
    assert few_step.summarize(weak, 2, seed=0)["is_at_most"]
    alone = few_step.summarize(results[:1], 2, seed=0)
    assert alone["real_steps_needed"] == pytest.approx(20.0)
    assert alone["real_steps_needed_ci95"] == bootstrap_steps(
        [0.5, 0.7], results[0]["real"], seed=0
    )


def _more_data_result(pair, arm, ensembles, **accuracies):
    return {
        "arm": arm,
        "pair": pair,
        "sizes": [
            {
                "source": source,
                "num_steps": 4,
                "batch_size": 10,
                "accuracies": of_source,
                "how": "",
            }
            for source, of_source in accuracies.items()
        ],
        "ensembles": ensembles,
    }


def test_more_data_over_gtn_seeds():
    ensembles = [
        {"repeat": [{"num_learners": 8, "accuracies": [a, a + 0.2]}]}
        for a in (0.5, 0.7)
    ]
    results = [
        _more_data_result(
            0, "own", ensembles[0], real_tuned=[0.2, 0.4], sample=[0.5, 0.7]
        ),
        _more_data_result(0, "endless", {}, endless=[0.1, 0.1]),
        _more_data_result(
            1, "own", ensembles[1], real_tuned=[0.4, 0.4], sample=[0.5, 0.9]
        ),
    ]
    found = more_data.summarize(results, num_steps=2, batch_size=10)
    real, sample, endless = found["sizes"]
    assert [row["source"] for row in found["sizes"]] == [
        "real_tuned",
        "sample",
        "endless",
    ]
    assert "minus_real" not in real
    assert real["accuracy"] == pytest.approx(0.35)
    assert sample["num_seeds"] == 2
    over_two = over_seeds([[0.6], [0.7]], 2)
    assert sample["ci95"] == pytest.approx(over_two["ci95"])
    assert sample["minus_real"]["mean"] == pytest.approx(0.3)
    assert sample["minus_real"]["ci95"] == pytest.approx((0.3, 0.3))
    assert endless["num_seeds"] == 1  # of two: no interval
    assert endless["ci95"] is None
    assert endless["minus_real"]["mean"] == pytest.approx(-0.2)
    assert endless["minus_real"]["ci95"] is None
    (row,) = found["ensembles"]["repeat"]
    assert row["accuracy"] == pytest.approx(0.7)
    over_two = over_seeds([[0.6], [0.8]], 2)
    assert row["ci95"] == pytest.approx(over_two["ci95"])
    alone = more_data.summarize(results[:2], num_steps=2, batch_size=10)
    # One seed: over its learners, each minus the same learner on real data.
    gap = alone["sizes"][2]["minus_real"]
    expected = over_seeds([[-0.1, -0.3]], 1)
    assert gap["ci95"] == pytest.approx(expected["ci95"])
    (row,) = alone["ensembles"]["repeat"]
    assert row["accuracy"] == pytest.approx(0.6)
    assert row["ci95"] is None  # of two ensembles


def test_a_draw_that_diverged_is_the_worst():
    results = [
        {"arm": "plain", "status": "ok", "final_meta_loss": loss}
        for loss in (0.5, 3.0)
    ]
    bad = {"arm": "plain", "status": "diverged", "final_meta_loss": 0.1}
    found = weight_norm._of_arm([*results, bad, bad], "plain", chance=2.3)
    assert found["num_draws"] == 4
    assert found["share_diverged"] == 0.5
    assert found["share_no_better_than_chance"] == 0.75
    assert found["best"] == 0.5
    assert found["quartiles"] == [0.5, 3.0, math.inf]
    assert found["std_of_finite"] == pytest.approx(2.5 / math.sqrt(2))


def _draws(arm, losses):
    return [
        {
            "arm": arm,
            "pair": pair,
            "status": "diverged" if loss is None else "ok",
            "final_meta_loss": loss,
        }
        for pair, loss in enumerate(losses)
    ]


def test_arms_are_compared_over_all_draws():
    first, second = [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, None]
    results = [*_draws("weight_norm", first), *_draws("plain", second)]
    found = weight_norm._resampled(results)
    assert found["median"]["difference"] == 2.0 - 3.0
    assert found["interquartile_range"]["difference"] == (3 - 1) - (4 - 2)
    assert found["share_diverged"]["difference"] == -0.25
    # Each draw is better by one, the last by everything.
    low, high = found["median"]["ci95"]
    assert (low, high) == ("-inf", -1.0)
    assert found["share_diverged"]["ci95"] == [-0.75, 0.0]
    same = weight_norm._resampled(
        [*_draws("weight_norm", second), *_draws("plain", second)]
    )
    for row in same.values():
        assert row == {"difference": 0.0, "ci95": [0.0, 0.0]}


def test_signs_count_draws():
    first = [1.0, 2.0, 3.0, None, None, 7.0]
    second = [2.0, 1.0, 4.0, 5.0, None, None]
    found = weight_norm._signs(
        [*_draws("weight_norm", first), *_draws("plain", second)]
    )
    # Lower: 0, 2, 5; higher: 1, 3. At least that far from even: always.
    assert found == {"lower": 3, "higher": 2, "p_value": 1.0}
    five = [*_draws("weight_norm", [1.0] * 5), *_draws("plain", [2.0] * 5)]
    assert weight_norm._signs(five)["p_value"] == pytest.approx(2 / 32)
    assert weight_norm._signs(
        [*_draws("weight_norm", second), *_draws("plain", second)]
    ) == {"lower": 0, "higher": 0, "p_value": 1.0}


def test_ensembles_average_probabilities():
    # Learners are right on the first image by much, on the second by none.
    sure, unsure = [[0.9, 0.1], [0.4, 0.6]], [[0.4, 0.6], [0.4, 0.6]]
    probabilities = np.array([sure, unsure] * 4)
    label_ids = np.array([0, 0])
    singles = more_data.ensemble_accuracies(probabilities, 1, label_ids)
    assert singles == [0.5, 0.0] * 4
    pairs = more_data.ensemble_accuracies(probabilities, 2, label_ids)
    assert pairs == [0.5] * 4
    assert more_data.ensemble_accuracies(probabilities, 4, label_ids) == [
        0.5,
        0.5,
    ]


def test_draws_are_in_range_and_repeat():
    draws = [draw_hyperparameters(3, index) for index in range(50)]
    assert draws == [draw_hyperparameters(3, index) for index in range(50)]
    assert draws != [draw_hyperparameters(4, index) for index in range(50)]
    for key, (low, high, is_log) in RANGES.items():
        values = np.array([draw[key] for draw in draws])
        assert low <= values.min() < values.max() <= high
        middle = math.sqrt(low * high) if is_log else (low + high) / 2
        assert 10 < np.sum(values < middle) < 40


def test_the_heat_map_has_a_row_per_learner():
    (axes,) = experiment_figures.transfer(RESULTS["transfer"]).axes
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["mlp", "conv2_pool*"]  # which is held out
    columns = [label.get_text() for label in axes.get_xticklabels()]
    found = {
        (rows[int(t.get_position()[1])], columns[int(t.get_position()[0])]): t
        for t in axes.texts
    }
    for (learner, recipe), text in found.items():
        mean = RESULTS["transfer"]["arms"][recipe][learner.strip("*")]["mean"]
        expected = "-" if mean is None else f"{100 * mean:.0f} ± 10"
        assert text.get_text() == expected
    assert len(found) == 4


def test_every_recipe_is_a_config():
    config = tiny.get_config()
    config.learner.name, config.learner.widths = "conv2_fc", (4, 6, 5)
    config.curriculum.learn_labels = True
    config.evaluation.meta_learning_rates = (0.25, 0.5)
    arms = transfer.recipes(config, "conv2_fc", (4, 6, 5))
    for changes in arms.values():
        changed = trials.changed(config, changes)
        validate(changed)
        check_learners(changed)
    assert arms["longer"] == {"inner.num_steps": 4, "meta.num_steps": 4}
    assert arms["real_pool"]["meta.learning_rate"] == 0.25
    pool = trials.changed(config, arms["pool"]).learner
    assert pool.name.split(",") == list(transfer.POOL)
    # The config's own widths are 1/16 of the official ones in the first layer.
    assert pool.widths[0] == (4, 6, 5)
    assert pool.widths[-1] == (16, 8)


def test_every_variant_is_a_learner():
    config = tiny.get_config()
    variants = transfer.make_variants("conv2_fc", (4, 6, 5))
    assert variants["half as wide"].widths == (2, 3, 2)
    assert variants["twice as wide"].widths == (8, 12, 10)
    params = {}
    for name, variant in variants.items():
        changed = trials.changed(config, variant.changes)
        validate(changed)
        (learner,) = build_learner_family(
            changed, variant.family, variant.widths
        )
        assert learner.name == variant.family
        params[name], _ = learner.init(tf.constant([1, 2]))
    own = params["conv2_fc"]
    assert len(params["plain layers"]) < len(own)  # it has no gains
    assert len(params["full batch norm"]) > len(own)  # it has scales
    for name in list(INITIALIZERS)[1:]:
        assert [p.shape for p in params[name]] == [p.shape for p in own]
        assert np.any(params[name][0] != own[0])


@pytest.mark.parametrize(
    "values",
    [{"name": "mlp,mlp"}, {"name": "cell"}, {"widths": ((2, 3), 4)}],
)
def test_transfer_needs_one_fixed_family(tmp_path, values):
    config = tiny.get_config()
    with config.ignore_type():
        config.learner.update({"widths": None, **values})
    with pytest.raises(InputError, match="'transfer'"):
        transfer.transfer(config, tmp_path)


def test_endless_data_are_draws_of_the_meta_training():
    gtn = build(curriculum="none")
    num_steps, batch_size = gtn.label_ids.shape
    seed = tf.constant([1, 2])
    draws = [
        gtn.synthesize(gtn.read(), fold(seed, number)) for number in range(4)
    ]
    made = extended_data.endless(gtn, 2 * num_steps, 2 * batch_size)(seed)
    for name in ("images", "labels"):
        found = getattr(made, name).numpy()
        assert found.shape[:2] == (2 * num_steps, 2 * batch_size)
        for number, draw in enumerate(draws):
            row, column = divmod(number, 2)
            part = found[row * num_steps :, column * batch_size :]
            part = part[:num_steps, :batch_size]
            assert_close(part, getattr(draw, name), NUM_ROUNDINGS)
    for name, known in draws[0].hyperparameters.items():
        np.testing.assert_array_equal(
            made.hyperparameters[name], [*known, *[known[-1]] * num_steps]
        )


def test_repeated_and_sampled_begin_as_the_curriculum():
    gtn = exported(build())
    arrays = [values.numpy() for values in gtn.arrays.values()]
    num_steps, batch_size = arrays[0].shape[:2]
    repeated = extended_data.repeated(gtn, 2 * num_steps)(None)
    sampled = extended_data.sampled(gtn, num_steps + 2, batch_size + 3)
    ours, others = sampled(tf.constant([1, 2])), sampled(tf.constant([3, 4]))
    assert ours.images.shape[:2] == (num_steps + 2, batch_size + 3)
    for data in (ours, others):
        for found, known in zip(
            (data.images, data.labels), arrays, strict=False
        ):
            np.testing.assert_array_equal(found[:num_steps, :batch_size], known)
    for found, known in zip(
        (repeated.images, repeated.labels), arrays, strict=False
    ):
        np.testing.assert_array_equal(found, np.concatenate([known, known]))
    assert np.any(ours.images[-1] != others.images[-1])
    assert np.any(ours.images[0, -1] != others.images[0, -1])
    for name, known in zip(
        ("learning_rate", "momentum"), arrays[2:], strict=True
    ):
        np.testing.assert_array_equal(
            ours.hyperparameters[name], [*known, known[-1], known[-1]]
        )
        np.testing.assert_array_equal(
            repeated.hyperparameters[name], [*known, *known]
        )
    whole = extended_data.sampled(gtn, num_steps, batch_size, num_kept=0)
    images = whole(tf.constant([1, 2])).images
    assert images.shape == arrays[0].shape
    assert np.all(np.any(images.numpy() != arrays[0], axis=(1, 2, 3, 4)))


_NUMBERS = {
    "few_step": (
        "3 GTN seeds (1 diverged)",
        "0.7000",
        "2.8 times as many [2.1, -]",
    ),
    "curricula": ("0.9000", "+0.1234", "0.957"),
    "weight_norm": (
        "no weight norm     3       33%",
        "0.789",
        "lower in 2 draws, higher in 1",
        "p = 0.988",
        "mean: 0.832 [0.500, 1.250] over the 2 draws",
        "median: -0.457 [-inf, 0.250]",
    ),
    "transfer": (
        "0.8765 +-0.1000",
        "conv2_pool*",
        "0.6543",
        "+0.0321",
        "+0.0456",
        "left out of the means: pool 2",
    ),
    "more_data": (
        "1 GTN seed\n",
        "0.7321",
        "+0.1357",
        "1: 0.6000 +-0.1000, 2: 0.6500",
    ),
    "ablation": (
        "0.8432",
        "+0.0309  [0.0101, 0.0517]         75\n",
        "left out of the means: inner.learning_rate=9 3",
    ),
}


def test_every_experiment_has_all_its_parts():
    names = set(EXPERIMENTS)
    assert names == set(CATALOG) == set(RESULTS)
    assert names == set(experiment_figures.FIGURES)
    assert names == set(experiment_tables.TABLES)


def _is_drawn(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return len(np.unique(np.asarray(image.convert("L")))) > 20


def _points(axes):
    """Returns what lines show: {(x, y)}."""
    return {
        (round(float(x), 4), round(float(y), 4))
        for line in axes.lines
        for x, y in np.broadcast(*line.get_data())
    }


def _figure(name):
    return experiment_figures.FIGURES[name](RESULTS[name])


def test_few_step_is_drawn():
    (axes,) = _figure("few_step").axes
    learned, real = {(1, 0.5), (2, 0.7)}, {(2, 0.4), (4, 0.6), (8, 0.8)}
    assert learned | real < _points(axes)
    assert 5.6569 in {x for x, _ in _points(axes)}
    assert "2.8 x the steps\n[2.1, -]" in [t.get_text() for t in axes.texts]


def test_curricula_are_drawn():
    left, right = _figure("curricula").axes
    assert {(2, 0.3), (4, 0.505)} <= _points(left)
    assert len(left.lines) == 5
    assert {(0.9, 0), (0.8, 1), (0.8, 3), (0.957, 0)} <= _points(right)
    assert (0.8, 4) not in _points(right)  # all its seeds diverged


def test_weight_norm_is_drawn():
    (axes,) = _figure("weight_norm").axes
    dots = [
        line for line in axes.lines if line.get_marker() not in ("", "None")
    ]
    losses = [sorted(line.get_ydata()) for line in dots]
    assert losses == [[0.5, 1.5, 2.5], [1, 2, 2 * 2.5]]  # the last diverged
    labels = [t.get_text() for t in axes.get_xticklabels()]
    assert labels == [
        "weight norm\n0% diverged",
        "no weight norm\n33% diverged",
    ]


def test_more_data_is_drawn():
    steps, batch, ensembles = _figure("more_data").axes
    assert {(2, 0.6), (2, 0.5), (4, 0.7)} <= _points(steps)
    assert {(10, 0.6), (20, 0.7321), (20, 0.65)} <= _points(batch)
    assert {(1, 0.6), (2, 0.65)} <= _points(ensembles)


def test_ablation_is_drawn():
    left, right = _figure("ablation").axes
    assert {(0.8123, 0), (0.8432, 1)} <= _points(left)
    assert (0.0309, 1) in _points(right)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_figure_and_table(tmp_path, name):
    result = RESULTS[name]
    experiment_figures.save_experiment(tmp_path / "figure.png", result)
    assert _is_drawn(tmp_path / "figure.png")
    text = experiment_tables.TABLES[name](result)
    for part in _NUMBERS[name]:
        assert part in text
