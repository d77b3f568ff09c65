import json
import math
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from gtn_tf.runtime.row_log import read_rows
from gtn_tf.teachers.registry import CURRICULA
from tests.helpers import tiny

_ROOT = Path(__file__).parents[2]
_NUM_STEPS = tiny.SIZES["meta.num_steps"]


def _assert_same(workdir, other):
    """Asserts equal rows and, bit for bit, equal final variables."""
    assert tiny.values_of(workdir) == tiny.values_of(other)
    ours = tiny.checkpoint_values(workdir, _NUM_STEPS)
    theirs = tiny.checkpoint_values(other, _NUM_STEPS)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def _seconds(workdir):
    return [row["seconds"] for row in read_rows(workdir / "metrics.jsonl")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run by the command line, as a user starts it."""
    workdir = tmp_path_factory.mktemp("finished")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gtn_tf.main"),
            *(f"--config={tiny.__file__}", f"--workdir={workdir}"),
            "--config.log.tensorboard=True",
            "--config.log.to=tests.helpers.own_log:OwnLog",
            "--config.log.samples_every=4",
        ],
        cwd=_ROOT,
        capture_output=True,
        text=True,
    )
    return workdir, tiny.Done(done.returncode, done.stderr)


def test_stderr_holds_our_lines_only(finished):
    workdir, done = finished
    assert done.code == 0, done
    load, first, second, *middle, last, exported = done.errors.splitlines()
    assert load == "loading TensorFlow"
    assert first == "tracing the meta-step (once per process)"
    assert re.fullmatch(
        rf"traced in \d+ s; meta-step 1 of {_NUM_STEPS} is running", second
    )
    assert last == f"done: {_NUM_STEPS} meta-steps in {workdir}"
    assert exported == f"exported to {workdir / 'export'}"
    assert middle
    assert all(line.startswith("meta-step ") for line in middle), middle


def test_files_that_a_run_leaves(finished):
    workdir, _ = finished
    assert {path.name for path in workdir.iterdir()} == {
        *(".lock", "checkpoints", "config.json", "export"),
        *("metrics.jsonl", "own_log.jsonl", "samples", "tensorboard"),
        "tracing.json",
    }
    assert tiny.checkpoint_steps(workdir) == [6, 8]  # max_to_keep 2
    pictures = sorted((workdir / "samples").iterdir())
    assert [p.name for p in pictures] == [
        "curves.png",
        "step_000004.png",
        "step_000008.png",
    ]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)
    (events,) = (workdir / "tensorboard").iterdir()
    for word in (
        *(b"meta/loss", b"meta/steps_per_second", b"validation/accuracy"),
        *(b"inner/curriculum", b"inner/learning_rate_last"),
        *(b"inner.num_steps", b"curriculum.name"),  # hyperparameters
    ):
        assert word in events.read_bytes()


def test_a_log_of_ones_own_gets_the_same_numbers(finished):
    lines = (finished[0] / "own_log.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    (hparams,) = [value for kind, _, value in found if kind == "hparams"]
    assert hparams["inner.num_steps"] == 2
    scalars = [(s, v) for kind, s, v in found if kind == "scalars"]
    for row, (step, values) in zip(
        tiny.values_of(finished[0]), scalars, strict=True
    ):
        values.pop("steps_per_second", None)
        assert {"step": step, **values} == row
    rates = [(s, v) for kind, s, v in found if kind == "inner_rates"]
    assert [step for step, _ in rates] == [2, 4, 6, 8]
    assert all(value["learning_rate"] == 2 for _, value in rates)
    pictures = [(s, v) for kind, s, v in found if kind == "image"]
    assert [step for step, _ in pictures] == [4, 8]
    assert all(v == ["curriculum", "uint8", 3] for _, v in pictures)


def test_rows(finished):
    rows = read_rows(finished[0] / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, _NUM_STEPS + 1))
    always = {
        *("step", "meta_loss", "final_meta_loss", "meta_accuracy"),
        *("meta_gradient_norm", "seconds"),
    }
    for row in rows:
        validated = {"validation_accuracy"} if row["step"] % 2 == 0 else set()
        assert row.keys() == always | validated
        assert row["meta_gradient_norm"] > 0
        assert 0 <= row["meta_accuracy"] <= 1
    assert len({row["meta_loss"] for row in rows}) == _NUM_STEPS
    assert _seconds(finished[0]) == sorted(_seconds(finished[0]))


def _diverge_at_3():
    from gtn_tf.training import run as training_run

    make_meta_step = training_run.make_meta_step

    def make(*arguments):
        meta_step = make_meta_step(*arguments)
        nan = dict.fromkeys(("meta_loss", "meta_gradient_norm"), float("nan"))

        def diverging(step):
            return nan if int(step) + 1 == 3 else meta_step(step)

        diverging.get_concrete_function = meta_step.get_concrete_function
        return diverging

    training_run.make_meta_step = make


class _Stop(NamedTuple):
    done: tiny.Done
    steps: list[int]  # of the checkpoints
    rows: list[dict]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that is stopped in every way, one after another, and goes on."""
    workdir = tmp_path_factory.mktemp("stopped")
    hooks = {
        "SIGTERM": tiny.StopAfter(1, int(signal.SIGTERM)),
        "divergence": _diverge_at_3,
        # A row beyond the checkpoint of step 4:
        "SIGKILL": tiny.StopAfter(5, int(signal.SIGKILL)),
        "end": None,
    }
    seen = {}
    for name, hook in hooks.items():
        done = tiny.run_main(workdir, hook=hook)
        rows = tiny.values_of(workdir)
        seen[name] = _Stop(done, tiny.checkpoint_steps(workdir), rows)
    return workdir, seen


def test_sigterm_saves_the_step(stopped):
    done, steps, rows = stopped[1]["SIGTERM"]
    assert done.code == 128 + signal.SIGTERM, done
    assert done.errors.splitlines()[-1] == (
        "SIGTERM: saved meta-step 1; the same command resumes there"
    )
    assert steps == [1]
    assert len(rows) == 1


def test_divergence_keeps_the_last_good_checkpoint(stopped):
    done, steps, rows = stopped[1]["divergence"]
    assert done.code == 1, done
    (line,) = [e for e in done.errors.splitlines() if "error" in e]
    assert line.startswith("error: meta_loss is nan at meta-step 3; ")
    assert "Traceback" not in done.errors
    assert done.errors.startswith("resumed at meta-step 1 of 8\n")
    assert steps == [1, 2]
    assert len(rows) == 2


def test_sigkill_leaves_the_last_checkpoint(stopped):
    done, steps, rows = stopped[1]["SIGKILL"]
    assert done.code == -signal.SIGKILL
    assert steps[-1] == 4
    assert len(rows) == 5
    done = stopped[1]["end"].done
    assert done.code == 0, done
    assert done.errors.startswith("resumed at meta-step 4 of 8\n")


def test_stopped_run_equals_the_uninterrupted_one(finished, stopped):
    _assert_same(stopped[0], finished[0])


def test_how_long_tracing_took_is_said_at_the_next_start(stopped):
    before, errors = stopped[1]["SIGTERM"].done, stopped[1]["end"].done.errors
    assert "tracing the meta-step (once per process)\n" in before.errors
    told = r"once per process; [\d.]+ (ms|s|min) the last time"
    assert re.search(rf"\ntracing the meta-step \({told}\)\n", errors)


def test_seconds_go_on_after_a_stop(stopped):
    seconds = _seconds(stopped[0])
    assert seconds == sorted(seconds)


def _damage(workdir, step):
    (path,) = (workdir / "checkpoints").glob(f"ckpt-{step}.data-*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_what_becomes_of_a_finished_workdir(finished, tmp_path):
    """One after another, what can befall it."""
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    again = tiny.run_main(tmp_path)
    assert again.code == 0
    assert f"has done {_NUM_STEPS} of {_NUM_STEPS} meta-steps" in again.errors
    _assert_same(tmp_path, finished[0])

    changed = tiny.run_main(
        tmp_path, "--config.seed=3", "--config.inner.momentum=0.25"
    )
    tiny.assert_one_line(
        changed, 2, "seed=3 (saved: 0)", "inner.momentum=0.25 (saved: 0.5)"
    )
    _assert_same(tmp_path, finished[0])

    _damage(tmp_path, _NUM_STEPS)
    fallen_back = tiny.run_main(tmp_path)
    assert fallen_back.code == 0, fallen_back
    assert "Skipped checkpoint" in fallen_back.errors
    assert f"ckpt-{_NUM_STEPS}" in fallen_back.errors
    assert f"resumed at meta-step 6 of {_NUM_STEPS}\n" in fallen_back.errors
    _assert_same(tmp_path, finished[0])

    longer = tiny.run_main(
        tmp_path,
        f"--config.meta.num_steps={_NUM_STEPS + 2}",
        hook=tiny.StopAfter(_NUM_STEPS + 1, int(signal.SIGINT)),
    )
    assert longer.code == 128 + signal.SIGINT, longer
    assert f"SIGINT: saved meta-step {_NUM_STEPS + 1};" in longer.errors
    rows = tiny.values_of(tmp_path)
    assert [row["step"] for row in rows] == list(range(1, _NUM_STEPS + 2))
    assert rows[:_NUM_STEPS] == tiny.values_of(finished[0])

    for step in tiny.checkpoint_steps(tmp_path):
        _damage(tmp_path, step)
    lost = tiny.run_main(tmp_path)
    tiny.assert_one_line(lost, 2, "no checkpoint restores", "ckpt-9", "ckpt-8")
    assert tiny.values_of(tmp_path) == rows


def test_divergence_at_the_first_step(tmp_path):
    done = tiny.run_main(tmp_path, "--config.inner.learning_rate=1e38")
    assert done.code == 1, done
    line = done.errors.splitlines()[-1]
    assert line.startswith("error: meta_")
    assert "at meta-step 1;" in line
    assert not tiny.checkpoint_steps(tmp_path)
    assert not tiny.values_of(tmp_path)


_PAIRS = [
    *(("gtn", name) for name in CURRICULA),
    *(("distillation", name) for name in list(CURRICULA)[:3]),
]


def _print_losses(folder, pairs):
    from gtn_tf.training.run import build_run

    for source, name in pairs:
        config = tiny.get_config()
        config.source = source
        config.curriculum.name = name
        # Of some only; drawn labels cannot be learned.
        config.curriculum.learn_labels = name in ("full", "fixed_noise")
        run = build_run(config, folder, config.strategy)
        losses = [float(run.meta_step(s)["meta_loss"]) for s in range(2)]
        print(json.dumps(losses), flush=True)


@pytest.mark.slow
def test_curricula_of_both_sources_train(tmp_path):
    done = tiny.run_forked(_print_losses, tmp_path, _PAIRS)
    assert done.code == 0, done.errors
    lines = [e for e in done.errors.splitlines() if e.startswith("[")]
    losses = np.array([json.loads(line) for line in lines])
    assert losses.shape == (len(_PAIRS), 2)
    assert np.isfinite(losses).all()
    # An order or a source that is not heeded would repeat another's numbers.
    assert len(set(losses[:, 1])) == len(losses)


def _blow_up():
    """A hook: the second update leaves a meta-parameter that is not finite."""
    from gtn_tf.training import pretrain

    one_step = pretrain._one_step

    def diverging(run, spec, step, workdir):
        row = one_step(run, spec, step, workdir)
        if step == 4:
            variable = run.teacher.trained_variables()[0]
            variable.assign(variable * np.inf)
        return row

    pretrain._one_step = diverging


def test_an_update_that_diverges_is_not_saved(tmp_path):
    done = tiny.run_main(tmp_path, hook=_blow_up)
    assert done.code == 1, done
    last = done.errors.splitlines()[-1]
    assert "is not finite at meta-step 4" in last
    assert f"stays in {tmp_path / 'checkpoints'}" in last
    assert tiny.checkpoint_steps(tmp_path) == [2]
    assert not (tmp_path / "export").exists()


def test_a_divergence_at_once_names_no_checkpoint(tmp_path):
    done = tiny.run_main(tmp_path, "--config.inner.learning_rate=1e30")
    assert done.code == 1, done
    assert "no checkpoint was written yet" in done.errors.splitlines()[-1]


#: Everything that makes a GTN for any network.
_ANY = (
    "--config.warm_start.num_images=20",
    "--config.warm_start.fit_steps=5",
    "--config.learner.pool=ordinary",
    "--config.learner.widths=None",
    "--config.learner.pool_num_networks=1",
    "--config.inner.learning_rate_spread=1.0",
    "--config.meta.num_learners=2",
    "--config.meta.num_steps=4",
    "--config.meta.validation_every=0",
)


class _NotFiniteAt(NamedTuple):
    """A hook: at these meta-steps both learners are skipped."""

    steps: tuple[int, ...]

    def __call__(self):
        from gtn_tf.training import run as training_run

        make_meta_step = training_run.make_meta_step

        def make(*arguments):
            meta_step = make_meta_step(*arguments)

            def skipping(step):
                if int(step) + 1 not in self.steps:
                    return meta_step(step)
                skipped = {"num_skipped_learners": 2.0}
                return meta_step(step) | {"meta_loss": math.nan} | skipped

            skipping.get_concrete_function = meta_step.get_concrete_function
            return skipping

        training_run.make_meta_step = make


@pytest.mark.slow
def test_warm_start_pool_and_random_rates_survive_a_kill(tmp_path):
    done = tiny.run_main(tmp_path / "whole", *_ANY)
    assert done.code == 0, done
    assert "warm start from 20 real images in " in done.errors
    rows = read_rows(tmp_path / "whole" / "metrics.jsonl")
    assert [row["num_skipped_learners"] for row in rows] == [0] * 4
    hook = tiny.StopAfter(3, int(signal.SIGKILL))
    done = tiny.run_main(tmp_path / "killed", *_ANY, hook=hook)
    assert done.code == -signal.SIGKILL, done
    done = tiny.run_main(tmp_path / "killed", *_ANY)
    assert "warm start" not in done.errors
    assert tiny.values_of(tmp_path / "killed") == tiny.values_of(
        tmp_path / "whole"
    )
    ours, theirs = (
        tiny.checkpoint_values(tmp_path / name, 4)
        for name in ("killed", "whole")
    )
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


@pytest.mark.slow
def test_three_steps_running_without_a_learner_end_it(tmp_path):
    flags = ("--config.meta.num_steps=6", "--config.meta.num_learners=2")
    done = tiny.run_main(tmp_path, *flags, hook=_NotFiniteAt((1, 2)))
    assert done.code == 0, done
    other = tmp_path / "other"
    done = tiny.run_main(other, *flags, hook=_NotFiniteAt((1, 3, 4, 5)))
    assert done.code == 1, done
    assert (
        "no learner has had a finite meta-gradient for 3 meta-steps at "
        "meta-step 5; " in done.errors
    )
