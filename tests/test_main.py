import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gtn_tf.config import flatten
from gtn_tf.main import with_paths
from tests.helpers import tiny

_ROOT = Path(__file__).parents[1]


def _files(workdir):
    """What a run has left, apart from the lock."""
    return {p.name for p in workdir.glob("*")} - {".lock"}


def _assert_refused(tmp_path, arguments, *parts, **more):
    """Bad input before any device work: one line, and no workdir."""
    workdir = tmp_path / "workdir"
    done = tiny.run_main(workdir, *arguments, **more)
    tiny.assert_one_line(done, 2, *parts)
    assert not workdir.exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--nosuch=1"], ["flag 'nosuch'"]),
        (["--mode=train"], ["--mode=train;", "one of pretrain"]),
        (["positional"], ["argument 'positional'"]),
        (["--config.inner.num_step=3"], ["'inner.num_steps'?"]),
        (["--config.inner.num_step", "3"], ["'inner.num_steps'?"]),
        (["--config.innr.num_steps=3"], ["'inner.num_steps'?"]),
        (["--config.zzzzzz=3"], ["'zzzzzz' is unknown"]),
        (["--config.inner=3"], ["config.inner=3"]),
        (["--config.inner.num_steps"], ["config.inner.num_steps"]),
        (["--config.inner.num_steps=1.5"], ["inner.num_steps=1.5"]),
        (["--config.inner.num_steps=True"], ["inner.num_steps=True"]),
        (["--config.inner.num_steps=abc"], ["inner.num_steps=abc"]),
        (["--config.inner.num_steps=0"], ["inner.num_steps is 0", ">= 1"]),
        (["--config.inner.learning_rate=nan"], ["inner.learning_rate is nan"]),
        (["--config.meta.learning_rate=inf"], ["meta.learning_rate is inf"]),
        (["--config.meta.global_clipnorm=abc"], ["global_clipnorm is 'abc'"]),
        (["--config.num_logical_devices=0"], ["num_logical_devices is 0"]),
        (["--config.curriculum.learn_labels=maybe"], ["learn_labels=maybe"]),
        (["--config.dataset.name=digit"], ["dataset.name is 'digit'"]),
        (["--config.seed=9999999999999999999999"], ["seed is 999", "2**62"]),
        (["--config.learner.widths=(2,3,4)"], ["(2, 3, 4) has 3", "'mlp' has"]),
        (["--config.learner.widths=5"], ["learner.widths is 5"]),
        (["--config.learner.name=mlp,conv2_fc"], ["one tuple of widths"]),
        (
            ["--config.source=distillation", "--config.curriculum.name=none"],
            ["source 'distillation' with curriculum 'none'"],
        ),
        (["--config.inner.meta_loss_every=3"], ["inner.meta_loss_every 3"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_bad_flag(tmp_path, arguments, parts):
    _assert_refused(tmp_path, arguments, *parts)


def test_unknown_flag_beside_a_config_key(tmp_path):
    arguments = ["--config.seed=1", "--nosuch=1"]
    _assert_refused(tmp_path, arguments, "flag 'nosuch'")


@pytest.mark.parametrize(
    "arguments", [[], ["--config.inner.num_steps=4"]], ids=len
)
def test_no_config(tmp_path, arguments):
    _assert_refused(tmp_path, arguments, "no --config;", config=None)


_BEGIN = "from gtn_tf.config import default_config\n\ndef get_config():\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("def get_config(:", ["SyntaxError"]),
        ("raise RuntimeError('two\\nlines')", ["RuntimeError: two lines"]),
        ("raise SystemError", ["SystemError"]),
        ("import no_such_module", ["ModuleNotFoundError", "no_such_module"]),
        ("x = 1", ["get_config"]),
        ("def get_config(): return 3", ["returns 3;", "ConfigDict"]),
        ("def get_config(): return {}", ["returns {};", "ConfigDict"]),
        ("def get_config(): raise ValueError('why')", ["ValueError: why"]),
        (
            f"{_BEGIN}  c = default_config(); c.seed = 'x'; return c",
            ["TypeError", "seed"],
        ),
        (
            f"{_BEGIN}  c = default_config(); c.inner.rate = 1; return c",
            ["'inner.rate' is unknown"],
        ),
        (
            f"{_BEGIN}  c = default_config(); del c.inner.momentum; return c",
            ["'inner.momentum' is missing"],
        ),
    ],
)
def test_bad_config_file(tmp_path, text, parts):
    path = tmp_path / "bad.py"
    path.write_text(text)
    _assert_refused(tmp_path, [], *parts, config=str(path))


def test_config_file_that_returns_nothing(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def get_config(): pass")
    done = tiny.run_main(tmp_path / "workdir", config=str(path))
    assert done.code == 2
    assert "returns None; expected a ConfigDict" in done.errors
    assert "Traceback" not in done.errors


@pytest.mark.parametrize("override", [[], ["--config.seed=1"]], ids=len)
@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("no/such.py", "No such file or directory: 'no/such.py'"),
        ("/", "Is a directory: '/'"),
        ("", "empty string"),
    ],
)
def test_config_file_that_cannot_be_read(tmp_path, path, part, override):
    _assert_refused(tmp_path, override, part, config=path)


def _print_config():
    from gtn_tf import main

    def mode(config, workdir):
        print(json.dumps([config.to_dict(), str(workdir)]), file=sys.stderr)
        return 0

    main.MODES["pretrain"] = mode


def test_overrides_reach_the_config(tmp_path):
    done = tiny.run_main(
        tmp_path,
        "--config.learner.widths=(2,(3,5))",
        "--config.meta.global_clipnorm=0.5",
        "--config.num_logical_devices=2",
        "--config.jit_compile=False",
        "--config.dataset.data_dir=/data",
        "--config.inner.learning_rate=1",
        hook=_print_config,
    )
    assert done.code == 0, done
    config, workdir = json.loads(done.errors)
    values = dict(flatten(config))
    assert workdir == str(tmp_path)
    assert values["learner.widths"] == [2, [3, 5]]
    assert values["meta.global_clipnorm"] == 0.5
    assert values["num_logical_devices"] == 2
    assert values["jit_compile"] is False
    assert values["dataset.data_dir"] == "/data"
    assert values["inner.learning_rate"] == 1.0
    assert values["inner.num_steps"] == 2  # of the file


def test_workdir_is_named_after_the_config(tmp_path):
    done = tiny.run_main("", hook=_print_config)
    assert json.loads(done.errors)[1] == "runs/tiny"


def test_workdir_is_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    done = tiny.run_main(path)
    tiny.assert_one_line(done, 2, f"workdir '{path}'")
    assert path.read_text() == "mine"


def test_workdir_in_use(tmp_path):
    with tiny.held_by_another_process(tmp_path) as pid:
        done = tiny.run_main(tmp_path)
    tiny.assert_one_line(done, 2, "in use by another run", f"pid {pid}")
    assert not _files(tmp_path)


def _no_network():
    os.environ["HTTPS_PROXY"] = os.environ["HTTP_PROXY"] = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "parts", "hook"),
    [
        (
            ["--config.num_logical_devices=2"],
            ["meta.num_learners is 1 on 2 replicas", "multiple of 2"],
            None,
        ),
        (["--config.strategy=tpu"], ["'tpu' found no TPU", "TPU_NAME"], None),
        (
            ["--config.dataset.name=cifar10", "--config.dataset.data_dir=/no"],
            ["dataset.data_dir '/no' is not a directory"],
            None,
        ),
        (
            ["--config.dataset.name=cifar10", "--config.dataset.data_dir=DIR"],
            ["dataset 'cifar10' is not in", "could not be downloaded"],
            _no_network,
        ),
    ],
    ids=["replicas", "tpu", "no directory", "no data"],
)
def test_missing_devices_or_data(tmp_path, arguments, parts, hook):
    data_dir, workdir = tmp_path / "data", tmp_path / "workdir"
    data_dir.mkdir()
    arguments = [a.replace("DIR", str(data_dir)) for a in arguments]
    done = tiny.run_main(workdir, *arguments, hook=hook)
    tiny.assert_one_line(done, 2, *parts)
    assert not _files(workdir)
    assert not _files(data_dir)


def test_damaged_or_foreign_config_json(tmp_path):
    path = tmp_path / "config.json"
    for text, part in (("{", "is no JSON"), ("[]", "holds no config")):
        path.write_text(text)
        done = tiny.run_main(tmp_path)
        tiny.assert_one_line(done, 2, str(path), part)
        assert path.read_text() == text
        assert _files(tmp_path) == {"config.json"}


def _after_loading(done):
    """What a process says once it has said that TensorFlow loads."""
    loading = "loading TensorFlow\n"
    assert done.stderr.startswith(loading)
    return tiny.Done(done.returncode, done.stderr.removeprefix(loading))


def test_tensorflow_is_not_installed(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "raise ModuleNotFoundError('No module', name='tensorflow')"
    )
    workdir = tmp_path / "workdir"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gtn_tf.main"),
            *(f"--config={tiny.__file__}", f"--workdir={workdir}"),
        ],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{_ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    tiny.assert_one_line(
        _after_loading(done),
        2,
        "TensorFlow is not installed",
        "gtn_tf[cpu]",
    )
    assert not workdir.exists()


def test_libraries_do_not_talk_before_an_error(tmp_path):
    environment = dict(os.environ)
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gtn_tf.main", "--mode=evaluate"),
            *(f"--config={tiny.__file__}", f"--workdir={tmp_path}"),
        ],
        env={**environment, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
    )
    tiny.assert_one_line(_after_loading(done), 2, "holds no GTN")


def _without_fcntl():
    sys.modules["fcntl"] = None


def _with_another_backend():
    os.environ["KERAS_BACKEND"] = "jax"


@pytest.mark.parametrize(
    ("hook", "parts"),
    [
        (_without_fcntl, ("no fcntl", "WSL")),
        (_with_another_backend, ("KERAS_BACKEND is 'jax'", "unset it")),
    ],
)
def test_another_platform_or_backend_is_one_line(tmp_path, hook, parts):
    workdir = tmp_path / "run"
    done = tiny.run_main(workdir, hook=hook)
    tiny.assert_one_line(done, 2, *parts)
    assert not workdir.exists()


def test_a_bucket_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = tiny.run_main("s3://bucket/run")
    tiny.assert_one_line(done, 2, "--workdir 's3://bucket/run' cannot be used")
    assert not _files(tmp_path)


def test_a_config_below_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for argv in (["x", "--config=~/a.py"], ["x", "--config", "~/a.py"]):
        assert "/home/me/a.py" in with_paths(argv)[-1]


def test_a_config_is_copied_into_a_folder_that_is_there(tmp_path):
    run = {"config": None}
    for place in (tmp_path / "no" / "mine.py", tmp_path / "mine.py"):
        done = tiny.run_main(
            tmp_path / "run", "--copy_config=digits", str(place), **run
        )
        if place.parent == tmp_path:
            assert done.code == 0, done
            assert place.read_text().startswith('"""Digits')
        else:
            tiny.assert_one_line(done, 2, "in no folder that exists")
    assert not (tmp_path / "no").exists()


def _fill_the_disk():
    """A hook: nothing is written after the second row."""
    from gtn_tf.runtime import host_loop

    class Log(host_loop.MetricsLog):
        def append(log, row):
            if row["step"] > 2:
                raise OSError(
                    errno.ENOSPC, os.strerror(errno.ENOSPC), "metrics.jsonl"
                )
            super().append(row)

    host_loop.MetricsLog = Log


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    done = tiny.run_main(tmp_path, hook=_fill_the_disk)
    assert done.code == 1, done
    last = done.errors.splitlines()[-1]
    assert last.startswith("error: No space left on device 'metrics.jsonl'; ")
    assert last.endswith("goes on from what was saved")
    assert len(tiny.values_of(tmp_path)) == 2
    assert tiny.run_main(tmp_path).code == 0
    whole = tmp_path / "whole"
    assert tiny.run_main(whole).code == 0
    assert tiny.values_of(tmp_path) == tiny.values_of(whole)
