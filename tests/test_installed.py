"""What a wheel holds, used from an empty folder as after `pip install`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import tiny

_ROOT = Path(__file__).parents[1]
_PARTS = ("setup.py", "pyproject.toml", "README.md", "gtn_tf", "configs")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that pip installed the wheel into."""
    source = tmp_path_factory.mktemp("source")
    for part in _PARTS:
        copy = shutil.copytree if (_ROOT / part).is_dir() else shutil.copy
        copy(_ROOT / part, source / part)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    alone = ["--no-deps", "--no-index", "--disable-pip-version-check"]
    wheels, target = source / "wheels", source / "installed"
    build = ["wheel", *alone, "--no-build-isolation", f"-w{wheels}"]
    subprocess.run([*pip, *build, str(source)], check=True)
    (wheel,) = wheels.glob("*.whl")
    install = ["install", *alone, f"--target={target}", str(wheel)]
    subprocess.run([*pip, *install], check=True)
    return target


@pytest.fixture
def run(installed, tmp_path):
    """Runs a command in an empty folder; returns what it printed."""

    def run(*command, code=0):
        environment = os.environ | {"PYTHONPATH": str(installed)}
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done
        return done.stdout + done.stderr

    return run


def test_configs_by_name(run, installed, tmp_path):
    listed = run("-m", "gtn_tf.main", "--list_configs")
    names = {path.stem for path in (_ROOT / "configs").glob("[!_]*.py")}
    assert {line.split()[0] for line in listed.splitlines()} == names
    assert '"' not in listed
    code = (
        "from gtn_tf.config.named import config_names, named_config\n"
        "for name in config_names(): print(name, named_config(name).seed)"
    )
    made = run("-c", code)
    assert {line.split()[0] for line in made.splitlines()} == names
    run("-m", "gtn_tf.main", "--copy_config=cifar10_cpu", "my.py")
    text = (tmp_path / "my.py").read_text()
    assert text == (_ROOT / "configs" / "cifar10_cpu.py").read_text()
    # A variant of another, copied or by name, reaches the mode.
    for config in ("my.py", "cifar10_tpu"):
        told = run(
            *("-m", "gtn_tf.main", f"--config={config}", "--mode=report"),
            code=2,
        )
        assert "runs/" + config.removesuffix(".py") in told
    told = run("-m", "gtn_tf.main", "--copy_config=digits", "my.py", code=2)
    assert told.startswith("error: --copy_config=digits")
    told = run("-m", "gtn_tf.main", "--config", "digitz", code=2)
    assert "--list_configs" in told


def test_help_tells_our_flags(run, installed):
    script = installed / "bin" / "gtn-tf"
    for command in ((str(script),), ("-m", "gtn_tf.main")):
        told = run(*command, "--help", code=1)
        for flag in ("config", "workdir", "mode", "list_configs"):
            assert re.search(rf"^ +--(\[no\])?{flag}:", told, re.MULTILINE)
        assert "--copy_config=digits mine.py" in told


def test_a_bundled_teacher_without_tensorflow(run):
    code = (
        "import sys, gtn_tf; t = gtn_tf.load('gtn:digits'); "
        "assert 'tensorflow' not in sys.modules; print(t.images.shape)"
    )
    assert run("-c", code).strip() == "(10, 10, 8, 8, 1)"


@pytest.mark.slow
def test_meta_training_by_name_leaves_a_report(run, tmp_path):
    sizes = {**tiny.SIZES, "meta.num_steps": 1, "inner.meta_loss_every": 0}
    sizes |= {"learner.name": "mlp", "learner.widths": (4, 3)}
    run_digits = ("-m", "gtn_tf.main", "--config=digits")
    run_digits += tuple(f"--config.{key}={v}" for key, v in sizes.items())
    run(*run_digits)
    assert (tmp_path / "runs/digits/export/metadata.json").exists()
    run(*run_digits, "--mode=report")
    page = (tmp_path / "runs/digits/report.html").read_text()
    assert "python -m gtn_tf.main --config=default" in page


def test_type_hints_are_said_to_be_there(installed):
    assert (installed / "gtn_tf" / "py.typed").exists()
