import json
import os
import subprocess
import sys

import pytest

from gtn_tf.config import default_config
from gtn_tf.runtime.files import write_json
from gtn_tf.runtime.workdir import (
    check_same_config,
    check_workdir,
    claim_workdir,
)
from gtn_tf.types import InputError
from tests.helpers import tiny


def test_claim_is_exclusive_and_names_the_holder(tmp_path):
    workdir = tmp_path / "a" / "b"
    with (
        claim_workdir(workdir),
        pytest.raises(InputError, match=tiny.ONE_LINE) as info,
        claim_workdir(workdir),
    ):
        pass
    assert (
        f"workdir '{workdir}' is in use by another run (pid {os.getpid()})"
        in (str(info.value))
    )
    with claim_workdir(workdir):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time\n"
        "from gtn_tf.runtime.workdir import claim_workdir\n"
        "with claim_workdir(sys.argv[1]):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with (
            pytest.raises(InputError, match=f"pid {process.pid}"),
            claim_workdir(tmp_path),
        ):
            pass
        process.kill()
    with claim_workdir(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_a_workdir_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    for workdir in (
        tmp_path / "file",
        tmp_path / "file" / "below",
        "/proc/nowhere",
        "/proc",
    ):
        with (
            pytest.raises(InputError, match=tiny.ONE_LINE) as info,
            claim_workdir(workdir),
        ):
            pass
        assert str(workdir) in str(info.value)


def test_errors_inside_the_claim_pass_through(tmp_path):
    with pytest.raises(OSError, match="inner"), claim_workdir(tmp_path):
        raise OSError("inner")


CONFIG = {
    "seed": 1,
    "data": None,
    "meta": {"num_steps": 10, "num_learners": 2},
    "learner": {"widths": (8, (4, 16))},
    "evaluation": {"sources": ["gtn"]},
    "evaluation_mode": "fast",
    "empty": {},
}


def changed(**changes):
    config = json.loads(json.dumps(CONFIG))
    for key, value in changes.items():
        *path, last = key.split("__")
        place = config
        for part in path:
            place = place[part]
        place[last] = value
    return config


def test_same_config_as_read_back():
    check_same_config(json.loads(json.dumps(CONFIG)), CONFIG, ())


def test_every_key_that_differs_is_named_with_both_values():
    config = changed(seed=2, meta__num_learners=4, learner__widths=[8, [4, 17]])
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        check_same_config(CONFIG, config, ())
    message = str(info.value)
    assert "seed=2 (saved: 1)" in message
    assert "meta.num_learners=4 (saved: 2)" in message
    assert "learner.widths=[8, [4, 17]] (saved: [8, [4, 16]])" in message
    assert "num_steps" not in message


def test_keys_of_one_side_only_differ():
    config = changed(meta__new=None)
    del config["data"]
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        check_same_config(CONFIG, config, ())
    assert "meta.new=None (saved: absent)" in str(info.value)
    assert "data=absent (saved: None)" in str(info.value)


def test_what_may_change():
    config = changed(meta__num_steps=20, evaluation__sources=["real"])
    check_same_config(CONFIG, config, {"meta.num_steps", "evaluation"})
    with pytest.raises(InputError, match=r"meta\.num_steps=20"):
        check_same_config(CONFIG, config, ["evaluation", "meta.num"])
    # A prefix is a whole part of the key.
    with pytest.raises(InputError, match="evaluation_mode='slow'"):
        check_same_config(
            CONFIG, changed(evaluation_mode="slow"), ["evaluation"]
        )


def _workdir_begun_without(key, folder):
    config = default_config()
    *groups, name = key.split(".")
    saved = config.to_dict()
    node = saved
    for group in groups:
        node = node[group]
    del node[name]
    write_json(folder / "config.json", {**saved, "environment": {}})
    return config


def test_a_workdir_older_than_a_key_has_its_default(tmp_path):
    config = _workdir_begun_without("generator.rematerialize", tmp_path)
    check_workdir(config, tmp_path)
    config.generator.rematerialize = True
    with pytest.raises(InputError, match=r"rematerialize=True \(saved: False"):
        check_workdir(config, tmp_path)
