import json

import pytest

from gtn_tf.experiments import trials
from gtn_tf.training.run import write_config
from gtn_tf.types import InputError
from tests.helpers import tiny


def _config(**evaluation):
    config = tiny.get_config()
    config.evaluation.update(evaluation)
    return config


def _files(workdir):
    """What is beside the experiments, and its contents."""
    return {
        path: path.read_bytes()
        for path in workdir.rglob("*")
        if path.is_file() and "experiments" not in path.parts
    }


def _write_a_row(config, workdir, is_part=True):
    workdir.mkdir(parents=True)
    row = {"step": 8, "final_meta_loss": 2.0, "seconds": 3.0}
    (workdir / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    return 0


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


def test_the_workdirs_own_meta_training_is_not_repeated(tmp_path, monkeypatch):
    """Of another seed, of other steps or unfinished, it is another."""
    done = []

    def record(config, workdir, is_part):
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


def test_a_damaged_result_is_done_again(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "pretrain", _write_a_row)
    (trial,) = trials.make_trials(_config(num_seeds=1), {"arm": {}})
    path = tmp_path / "arm" / "0" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"status": "ok", ')
    (found,) = trials.run_trials([trial], tmp_path, None)
    assert json.loads(path.read_text()) == found
    assert path.with_name("result.json.damaged").exists()


def test_no_trial_begins_before_all_are_valid(tmp_path):
    arms = {"good": {}, "bad": {"inner.num_steps": 0}}
    asked = trials.make_trials(_config(num_seeds=1), arms)
    with pytest.raises(InputError, match=r"inner\.num_steps"):
        trials.run_trials(asked, tmp_path, None)
    assert not list(tmp_path.iterdir())


def test_divergence_is_a_result(tmp_path, monkeypatch):
    def diverge(config, workdir, is_part):
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
    with pytest.raises(trials.DivergenceError, match="all 2 meta-trainings"):
        trials.done_trials(results)
