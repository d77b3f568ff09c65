import html
import json
import os
import signal

import numpy as np
import pytest

from gtn_tf.experiments import transfer_trials, trials
from gtn_tf.experiments.experiment import find_experiment
from gtn_tf.experiments.weight_norm import draw_hyperparameters
from gtn_tf.types import InputError
from tests.helpers import outside_experiment, tiny
from tests.helpers.experiment_results import is_drawn

_WEIGHT_NORM = (
    "--mode=evaluate",
    "--config.evaluation.experiment=weight_norm",
    "--config.evaluation.num_draws=1",
    "--config.evaluation.num_learners=2",
    "--config.meta.num_steps=2",
)


def _table(name, result):
    return find_experiment(name).table(result)


class _KillAtTrial:
    """A hook: the process is killed when this trial begins."""

    def __init__(self, number):
        self._number = number

    def __call__(self):
        pretrain, calls = trials.pretrain, []

        def counted(config, workdir, is_part):
            calls.append(workdir)
            if len(calls) == self._number:
                os.kill(os.getpid(), signal.SIGKILL)
            return pretrain(config, workdir, is_part)

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
    assert _table("weight_norm", result) in done.errors
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
    assert html.escape(_table("weight_norm", result)) in page
    other = (*_WEIGHT_NORM, "--config.inner.num_steps=1")
    done = tiny.run_main(tmp_path, *other)
    tiny.assert_one_line(done, 2, "inner.num_steps=1 (saved: 2)")
    (tmp_path / "config.json").unlink()
    done = tiny.run_main(tmp_path, *other)
    tiny.assert_one_line(done, 2, "inner.num_steps=2", "expected 1")


class _FewRecipes:
    """A hook: `transfer` has two recipes and two learners."""

    def __call__(self):
        module = transfer_trials
        recipes, make_variants = module.recipes, module.make_variants
        module.recipes = lambda *sizes: {
            name: recipes(*sizes)[name] for name in ("own", "real")
        }
        module.make_variants = lambda *sizes: {
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
    assert _table("transfer", result) in done.errors
    assert is_drawn(folder / "figure.png")
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
    assert _table(name, result) in done.errors
    assert is_drawn(folder / "figure.png")
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


@pytest.mark.parametrize("rounds", [False, True])
def test_an_experiment_of_a_persons_own(tmp_path, rounds):
    name = "tests.helpers.outside_experiment:EXPERIMENT"
    done = tiny.run_main(
        *(tmp_path, "--mode=evaluate"),
        f"--config.evaluation.experiment={name}",
        f"--config.tensor_float_32={rounds}",
    )
    assert done.code == 0, done
    folder = tmp_path / "experiments" / name.replace(":", ".")
    result = json.loads((folder / "result.json").read_text())
    assert (result["experiment"], result["num_steps"]) == (name, 2)
    assert result["is_deterministic"]  # though nothing was meta-trained
    assert result["rounds_factors"] is rounds
    assert outside_experiment.EXPERIMENT.table(result) in done.errors
    assert is_drawn(folder / "figure.png")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("few_steps", "expected one of few_step, "),
        ("no_such_module:EXPERIMENT", "no_such_module cannot be imported"),
        ("tests.helpers.outside_experiment:run", "is a function; expected a"),
    ],
)
def test_what_is_no_experiment(name, part):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        find_experiment(name)
    assert part in str(info.value)
