import json
import os
import shutil
import signal

import pytest
import tensorflow as tf

from gtn_tf.config.choices import BASELINES
from gtn_tf.datasets import loading as data
from gtn_tf.datasets.batches import device_split
from gtn_tf.evaluation import comparison, constant_rates, fresh_learners
from gtn_tf.evaluation.assembly import build_setting
from gtn_tf.evaluation.sources import Source
from gtn_tf.ops.seeds import root_seed
from gtn_tf.runtime.row_log import read_rows
from gtn_tf.statistics.intervals import mean_interval
from gtn_tf.types import SyntheticData
from tests.helpers import tiny

_NUM_LEARNERS = 3
_OPTIONS = (
    "--mode=evaluate",
    f"--config.evaluation.num_learners={_NUM_LEARNERS}",
    "--config.evaluation.tuning_learning_rates=(0.1,0.5)",
    "--config.evaluation.tuning_momenta=(0.5,)",
    "--config.evaluation.tuning_num_learners=1",
    "--config.evaluation.learners=('mlp',)",
    "--config.evaluation.widths=((6,5),)",
)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A workdir after pretrain and evaluate, and what evaluate wrote."""
    workdir = tmp_path_factory.mktemp("evaluated")
    done = tiny.run_main(workdir)
    assert done.code == 0, done
    done = tiny.run_main(workdir, *_OPTIONS)
    assert done.code == 0, done
    return workdir, done


def _result(workdir):
    return json.loads((workdir / "evaluation.json").read_text())


def test_every_source_has_what_the_contract_names(evaluated):
    workdir, _ = evaluated
    result = _result(workdir)
    assert result["dataset"] == "digits"
    assert result["num_inner_steps"] == 2
    assert (result["split"], result["num_test_images"]) == ("test", 400)
    assert list(result["sources"]) == ["gtn", *BASELINES]
    for values in result["sources"].values():
        assert values["num_learners"] == _NUM_LEARNERS
        assert len(values["accuracy_per_step"]) == 2
        assert values["accuracy"] == values["accuracy_per_step"][-1]
        assert values["images_seen"] == 20
        assert values["seconds_per_learner"] > 0
        assert values["setup_seconds"] > 0
    meta_trained = {"gtn", "real", "distillation"}
    for name, values in result["sources"].items():
        curve = values["validation_curve"]
        assert (curve is not None) == (name in meta_trained)
        assert curve is None or [step for step, _ in curve] == [2, 4, 6, 8]
    assert list(result["differences"]) == [f"gtn - {b}" for b in BASELINES]
    assert list(result["transfer"]) == ["mlp"]
    for of_family in result["transfer"].values():
        assert set(of_family) == {"gtn", "distillation", "real", "real_tuned"}
    assert (workdir / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_numbers_are_those_of_the_rows(evaluated):
    workdir, _ = evaluated
    result = _result(workdir)
    rows = read_rows(workdir / "evaluation.jsonl", "index")
    assert len(rows) == _NUM_LEARNERS * (6 + 4)

    def finals(source):
        return [
            row["accuracies"][-1]
            for row in rows
            if (row["source"], row["learner"]) == (source, "")
        ]

    for name, values in result["sources"].items():
        expected = mean_interval(finals(name))
        found = (values["accuracy"], values["std"], tuple(values["ci95"]))
        assert found == expected
    for name in BASELINES:
        pairs = zip(finals("gtn"), finals(name), strict=True)
        expected = mean_interval([ours - theirs for ours, theirs in pairs])
        found = result["differences"][f"gtn - {name}"]
        assert found["mean"] == pytest.approx(expected.mean)
        assert found["ci95"] == pytest.approx(expected.ci95)


def test_terminal_shows_the_table(evaluated):
    workdir, done = evaluated
    assert comparison.table(_result(workdir)) in done.errors


def test_again_trains_nothing_and_says_the_same(evaluated, tmp_path):
    workdir, _ = evaluated
    again = tmp_path / "again"
    shutil.copytree(workdir, again)
    done = tiny.run_main(again, *_OPTIONS, hook=_forbid_training)
    assert done.code == 0, done
    assert _result(workdir) == _result(again)
    assert "meta.num_steps" not in done.errors


def _forbid_training():
    fresh_learners.FreshLearners.train_and_test = None
    constant_rates._mean_accuracy = None


def test_killed_evaluation_goes_on(evaluated, tmp_path):
    workdir, _ = evaluated
    killed = tmp_path / "killed"
    shutil.copytree(workdir, killed)
    for name in ("evaluation.json", "evaluation.jsonl"):
        (killed / name).unlink()
    options = (*_OPTIONS, "--config.evaluation.sources=('gtn','real_tuned')")
    done = tiny.run_main(killed, *options, hook=_kill_at_the_fifth)
    assert done.code == -signal.SIGKILL
    assert not (killed / "evaluation.json").exists()
    with (killed / "evaluation.jsonl").open("ab") as file:
        file.write(b'{"source": "gt')  # a torn line
    done = tiny.run_main(killed, *options)
    assert done.code == 0, done
    found, expected = _accuracies(killed), _accuracies(workdir)
    assert len(found) == _NUM_LEARNERS * 2 * 2
    assert found == {key: expected[key] for key in found}


def _accuracies(workdir):
    return {
        (row["source"], row["learner"], row["index"]): row["accuracies"]
        for row in read_rows(workdir / "evaluation.jsonl", "index")
    }


def _kill_at_the_fifth():
    _at_the_fifth(signal.SIGKILL)


def _terminate_at_the_fifth():
    _at_the_fifth(signal.SIGTERM)


def _at_the_fifth(number):
    train_and_test = fresh_learners.FreshLearners.train_and_test
    calls = []

    def counted(self, source, index):
        calls.append(index)
        if len(calls) == 5:
            os.kill(os.getpid(), number)
        return train_and_test(self, source, index)

    fresh_learners.FreshLearners.train_and_test = counted


def test_sigterm_keeps_the_rows(evaluated, tmp_path):
    workdir, _ = evaluated
    stopped = tmp_path / "stopped"
    shutil.copytree(workdir, stopped)
    (stopped / "evaluation.jsonl").unlink()
    done = tiny.run_main(stopped, *_OPTIONS, hook=_terminate_at_the_fifth)
    assert done.code == 128 + signal.SIGTERM, done
    assert len(read_rows(stopped / "evaluation.jsonl", "index")) == 5


@pytest.mark.slow
def test_rows_of_another_gtn_are_not_used(evaluated, tmp_path):
    """Meta-training goes on: the teacher is another, real data are not."""
    workdir, _ = evaluated
    longer = tmp_path / "longer"
    shutil.copytree(workdir, longer)
    done = tiny.run_main(longer, "--config.meta.num_steps=12")
    assert done.code == 0, done
    done = tiny.run_main(
        longer,
        *_OPTIONS,
        "--config.meta.num_steps=12",
        "--config.evaluation.sources=('gtn','real_tuned')",
    )
    assert done.code == 0, done
    old, new = (
        {
            (row["source"], row["learner"], row["index"]): row["digest"]
            for row in read_rows(folder / "evaluation.jsonl", "index")
        }
        for folder in (workdir, longer)
    )
    assert len(new) == _NUM_LEARNERS * 2 * 2
    for key, digest in new.items():
        assert (digest == old[key]) == (key[0] == "real_tuned"), key


def test_learners_start_alike_whatever_the_source(tmp_path):
    digits = data.load("digits", with_test=True)
    setting = build_setting(tiny.get_config(), tmp_path, digits)
    images, labels = constant_rates.draw_subset(setting)(root_seed(0))
    rates = {"learning_rate": tf.fill([2], 0.1), "momentum": tf.fill([2], 0.5)}
    batches = SyntheticData(images, labels, rates)
    real = device_split(digits, "test")
    trainer = fresh_learners.FreshLearners(setting, setting.problem, real)
    first, again, other = (
        trainer.train_and_test(
            Source(name, lambda seed: batches, 0.0, ""), index
        ).accuracies
        for name, index in (("gtn", 0), ("noise", 0), ("gtn", 1))
    )
    assert first == again != other


def test_no_gtn_is_an_error(tmp_path):
    done = tiny.run_main(tmp_path / "empty", *_OPTIONS)
    tiny.assert_one_line(done, 2, "holds no GTN", "--mode=pretrain")
    assert not (tmp_path / "empty").exists()


def test_another_config_is_an_error(evaluated):
    workdir, _ = evaluated
    done = tiny.run_main(workdir, *_OPTIONS, "--config.inner.num_steps=3")
    tiny.assert_one_line(done, 2, "inner.num_steps=3", "saved: 2")


def test_wrong_widths_of_transfer_are_an_error(tmp_path):
    done = tiny.run_main(
        tmp_path,
        "--mode=evaluate",
        "--config.evaluation.learners=('mlp',)",
        "--config.evaluation.widths=((6,5,4),)",
    )
    tiny.assert_one_line(done, 2, "'mlp' has 2 layers")


@pytest.mark.slow
def test_a_distilled_workdir_is_compared_as_what_it_is(tmp_path):
    options = ("--config.source=distillation",)
    assert tiny.run_main(tmp_path, *options).code == 0
    done = tiny.run_main(
        tmp_path,
        *options,
        "--mode=evaluate",
        "--config.evaluation.num_learners=1",
        "--config.evaluation.sources=('gtn','distillation','noise')",
        "--config.evaluation.tuning_learning_rates=(0.1,)",
        "--config.evaluation.tuning_momenta=(0.5,)",
    )
    assert done.code == 0, done
    result = _result(tmp_path)
    assert list(result["sources"]) == ["distillation", "noise"]
    assert result["sources"]["noise"]["ci95"] is None
    assert list(result["differences"]) == ["distillation - noise"]
