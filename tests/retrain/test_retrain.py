import json
import os
import shutil
import signal
from typing import NamedTuple

import numpy as np
import pytest

from gtn_tf.runtime.row_log import read_rows
from gtn_tf.search_spaces.cells.published_genotypes import published_genotype
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.float_tolerance import assert_close

_TEXT = "conv1x1@0+identity@1:2/max2x2@0+conv3x3@1:2"
_SIZES = {
    "retrain.name": "tried",
    "retrain.num_seeds": 2,
    "retrain.num_epochs": 2,
    "retrain.batch_size": 300,  # 4 steps an epoch of 1397 digits
    "retrain.num_cells": 0,
    "retrain.channels": 2,
    "retrain.cutout": 3,
}


def _flags(genotype, **more):
    sizes = {**_SIZES, "retrain.genotype": str(genotype), **more}
    return [
        "--mode=retrain",
        *(f"--config.{key}={value}" for key, value in sizes.items()),
    ]


@pytest.fixture(scope="module")
def genotype(tmp_path_factory):
    path = tmp_path_factory.mktemp("genotype") / "small.txt"
    path.write_text(f"{_TEXT}\n")
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory, genotype):
    workdir = tmp_path_factory.mktemp("finished")
    return workdir, tiny.run_main(workdir, *_flags(genotype))


class _StopAfterStep(NamedTuple):
    """A hook: the process sends itself a signal once a step is done."""

    step: int
    number: int

    def __call__(self):
        from gtn_tf.retrain import loop as retrain_loop

        one_step = retrain_loop._one_step

        def stopping(training, seed, step, *more):
            one_step(training, seed, step, *more)
            if step + 1 == self.step:
                os.kill(os.getpid(), self.number)

        retrain_loop._one_step = stopping


def _poison():
    """A hook: the totals turn infinite in the second epoch."""
    from gtn_tf.retrain import loop as retrain_loop

    one_step = retrain_loop._one_step

    def diverging(training, seed, step, *more):
        one_step(training, seed, step, *more)
        if step == 5:
            training.state.totals.assign([np.inf, 0.0])

    retrain_loop._one_step = diverging


def _result(workdir, *more):
    path = workdir.joinpath("retrain", "tried", *more, "result.json")
    return json.loads(path.read_text())


def test_files_that_a_training_leaves(finished):
    workdir, done = finished
    assert done.code == 0, done
    assert {p.name for p in workdir.iterdir()} == {"config.json", "retrain"}
    folder = workdir / "retrain" / "tried"
    assert {p.name for p in folder.iterdir()} == {
        *(".lock", "config.json", "result.json", "seed_0", "seed_1"),
        "tracing.json",
    }
    for seed in ("seed_0", "seed_1"):
        assert {p.name for p in (folder / seed).iterdir()} == {
            *("checkpoints", "metrics.jsonl", "model.keras"),
            *("result.json", "saved_model"),
        }
    assert done.errors.splitlines()[-1] == f"done: {folder / 'result.json'}"


def test_rows(finished):
    rows = read_rows(finished[0] / "retrain/tried/seed_0/metrics.jsonl")
    assert [(r["step"], r["epoch"]) for r in rows] == [(4, 1), (8, 2)]
    assert [r["learning_rate"] for r in rows] == [0.025, 0.0125]
    for row in rows:
        assert row["training_loss"] > 0
        assert 0 <= row["training_accuracy"] <= 1
        assert "validation_accuracy" not in row  # it was trained on
    assert rows[0]["training_loss"] != rows[1]["training_loss"]


def test_result(finished):
    result = _result(finished[0])
    errors = [_result(finished[0], f"seed_{s}")["test_error"] for s in (0, 1)]
    assert result["genotype"] == _TEXT
    assert result["genotype_name"] == "small"
    assert result["seeds"] == [0, 1]
    assert result["test_error"] == errors
    assert all(0 <= e <= 1 and (400 * e).is_integer() for e in errors)
    assert result["test_error_mean"] == pytest.approx(sum(errors) / 2)
    assert result["test_error_std"] == pytest.approx(
        abs(errors[0] - errors[1]) / 2**0.5
    )
    assert result["num_training_images"] == 1397
    assert result["num_test_images"] == 400
    # The auxiliary head on the 8 channels of the last cell.
    head = 8 * 128 + 2 * 128 + 4 * 128 * 768 + 2 * 768 + 768 * 10 + 10
    assert result["params_with_auxiliary_head"] == result["params"] + head
    assert result["device_days"] == pytest.approx(
        sum(result["seconds"]) / 86400
    )


def _logits_of_exports(folder):
    import keras
    import tensorflow as tf

    import gtn_tf.retrain.network  # noqa: F401 (registers its layers)

    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(4, 8, 8, 1)), tf.float32)
    kept = keras.saving.load_model(folder / "model.keras")
    served = tf.saved_model.load(str(folder / "saved_model"))
    ours = kept(images, training=False).numpy()
    assert ours.shape == (4, 10)
    assert np.ptp(ours) > 0
    # The stem, the cells' 1x1 and 3x3 convolutions, the pool, the logits.
    assert_close(served.serve(images), ours, 9 + 16 + 9 * 8 + 4 * 4 + 8)


def test_the_exports_agree(finished):
    folder = finished[0] / "retrain" / "tried" / "seed_0"
    done = tiny.run_forked(_logits_of_exports, folder)
    assert done.code == 0, done.errors


def _values(workdir, seed=0):
    """Rows without seconds, and all that the last checkpoint holds."""
    folder = workdir / "retrain" / "tried" / f"seed_{seed}"
    values = tiny.checkpoint_values(folder, 8)
    assert len(values) > 10
    return tiny.values_of(folder), values


def _assert_same(workdir, other, seed):
    ours, theirs = _values(workdir, seed), _values(other, seed)
    assert ours[0] == theirs[0]
    assert ours[1].keys() == theirs[1].keys()
    for name, value in ours[1].items():
        np.testing.assert_array_equal(value, theirs[1][name], err_msg=name)


@pytest.mark.parametrize(
    ("number", "step", "kept"),
    [
        # Past the checkpoint of the first epoch; within an epoch.
        (signal.SIGKILL, 6, 4),
        pytest.param(signal.SIGTERM, 2, 2, marks=pytest.mark.slow),
    ],
)
def test_a_stopped_training_ends_as_an_uninterrupted_one(
    finished, genotype, tmp_path, number, step, kept
):
    flags = _flags(genotype, **{"retrain.num_seeds": 1})
    hook = _StopAfterStep(step, int(number))
    stopped = tiny.run_main(tmp_path, *flags, hook=hook)
    if number == signal.SIGTERM:
        assert stopped.code == 128 + number, stopped
        assert "SIGTERM: saved step 2; the same command" in stopped.errors
    else:
        assert stopped.code == -number
    resumed = tiny.run_main(tmp_path, *flags)
    assert resumed.code == 0, resumed
    assert f"resumed at step {kept} of 8" in resumed.errors
    _assert_same(tmp_path, finished[0], 0)
    ours, theirs = (_result(w, "seed_0") for w in (tmp_path, finished[0]))
    assert ours["test_error"] == theirs["test_error"]


def test_seeds_train_different_networks(finished):
    folder = finished[0] / "retrain" / "tried"
    first, second = (tiny.values_of(folder / f"seed_{s}") for s in (0, 1))
    assert first[0]["training_loss"] != second[0]["training_loss"]


def test_divergence_keeps_the_last_good_checkpoint(genotype, tmp_path):
    flags = _flags(genotype)
    done = tiny.run_main(tmp_path, *flags, hook=_poison)
    assert done.code == 1, done
    assert done.errors.splitlines()[-1].startswith(
        "error: the training loss or a parameter is not finite at step 8;"
    )
    folder = tmp_path / "retrain" / "tried" / "seed_0"
    assert tiny.checkpoint_steps(folder) == [4]
    assert len(read_rows(folder / "metrics.jsonl")) == 1


def test_what_may_change_in_a_finished_training(finished, genotype, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    other = tiny.run_main(
        tmp_path, *_flags(genotype, **{"retrain.channels": 3})
    )
    tiny.assert_one_line(
        other, 2, "retrain.channels=3 (saved: 2)", "another --config.retrain"
    )
    other = tiny.run_main(tmp_path, *_flags("GTN-fixed"))
    tiny.assert_one_line(other, 2, "genotype=", f"(saved: '{_TEXT}')")
    config = (tmp_path / "config.json").read_bytes()
    fewer = tiny.run_main(
        tmp_path, *_flags(genotype, **{"retrain.num_seeds": 1})
    )
    assert fewer.code == 0, fewer
    # It tells how the workdir was begun.
    assert (tmp_path / "config.json").read_bytes() == config
    result = _result(tmp_path)
    assert result["seeds"] == [0]
    assert result["test_error_std"] is None


@pytest.mark.slow
def test_without_the_validation_images_they_are_measured(genotype, tmp_path):
    done = tiny.run_main(
        tmp_path,
        *_flags(
            genotype,
            **{
                "retrain.use_validation": False,
                "retrain.num_seeds": 1,
                "retrain.num_epochs": 1,
                "retrain.auxiliary_weight": 0.0,
                "retrain.cutout": 0,
                "num_logical_devices": 2,
                "strategy": "mirrored",
                "precision": "mixed_bfloat16",
                "log.tensorboard": True,
            },
        ),
    )
    assert done.code == 0, done
    result = _result(tmp_path)
    assert result["num_training_images"] == 1000
    assert result["params_with_auxiliary_head"] == result["params"]
    (events,) = (tmp_path / "retrain/tried/seed_0/tensorboard").iterdir()
    assert b"validation/accuracy" in events.read_bytes()
    (row,) = read_rows(tmp_path / "retrain/tried/seed_0/metrics.jsonl")
    assert row["step"] == 3
    assert (397 * row["validation_accuracy"]) == pytest.approx(
        round(397 * row["validation_accuracy"]), abs=1e-3
    )
    assert _result(tmp_path, "seed_0")["num_devices"] == 2


@pytest.mark.parametrize(
    ("genotype", "more", "parts"),
    [
        (None, {}, ["retrain.genotype is None", "NASNet-A"]),
        ("NASNet-B", {}, ["retrain.genotype is 'NASNet-B'", "NASNet-A"]),
        ("search:none", {}, ["'none' has no search/ranking.json"]),
        ("ENAS", {"retrain.name": "a/b"}, ["retrain.name is 'a/b'"]),
        ("ENAS", {"retrain.num_epochs": 0}, ["retrain.num_epochs is 0"]),
        ("ENAS", {"retrain.dropout_keep": 0.0}, ["dropout_keep is 0.0"]),
    ],
)
def test_bad_input_is_refused_before_any_work(tmp_path, genotype, more, parts):
    workdir = tmp_path / "workdir"
    done = tiny.run_main(workdir, *_flags(genotype, **more))
    tiny.assert_one_line(done, 2, *parts)
    assert not workdir.exists()


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ({"retrain.batch_size": 1398}, ["is 1398", "the 1397 training images"]),
        (
            {
                "retrain.batch_size": 33,
                "num_logical_devices": 2,
                "strategy": "mirrored",
            },
            ["is 33 on 2 replicas", "a multiple of 2"],
        ),
    ],
)
def test_what_does_not_suit_the_data(tmp_path, genotype, more, parts):
    done = tiny.run_main(tmp_path, *_flags(genotype, **more))
    tiny.assert_one_line(done, 2, *parts)


def test_a_training_in_use_is_refused(tmp_path, genotype):
    with tiny.held_by_another_process(tmp_path / "retrain" / "tried"):
        done = tiny.run_main(tmp_path, *_flags(genotype))
    tiny.assert_one_line(done, 2, "in use by another run")


def test_another_number_of_replicas_is_refused(tmp_path):
    from gtn_tf.retrain.run import _check_replicas

    _check_replicas(4, tmp_path)  # not begun yet
    (tmp_path / "config.json").write_text("{}")
    _check_replicas(4, tmp_path)  # begun before the number was kept
    (tmp_path / "config.json").write_text('{"num_replicas": 4}')
    _check_replicas(4, tmp_path)
    with pytest.raises(InputError, match="2 replicas; expected 4") as caught:
        _check_replicas(2, tmp_path)
    assert caught.match(tiny.ONE_LINE)


def test_names_tell_trainings_apart():
    from gtn_tf.config import default_config
    from gtn_tf.retrain.genotype import Origin
    from gtn_tf.retrain.run import training_name

    config = default_config()
    origin = Origin(published_genotype("ENAS"), "ENAS")
    assert training_name(config, origin) == "ENAS_n6_f36_cutout16"
    config.retrain.cutout = 0
    assert training_name(config, origin) == "ENAS_n6_f36"
    config.retrain.name = "mine"
    assert training_name(config, origin) == "mine"
