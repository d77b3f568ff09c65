"""That README's Python runs as it stands."""

import re
from pathlib import Path

import tiny

from gtn_tf import data
from gtn_tf.config import default_config
from gtn_tf.real_batches import device_split

_README = Path(__file__).parents[1] / "README.md"


def _run_blocks(workdir):
    """In the folder that `runs/digits` is in, as README has it."""
    import os

    os.chdir(workdir)
    blocks = re.findall(r"```python\n(.*?)```", _README.read_text(), re.DOTALL)
    assert len(blocks) == 4
    config = default_config()
    found = {
        "config": config,
        "real_train": device_split(data.load("digits"), "train"),
    }
    for block in blocks:
        # The last one's own network is that of the one before.
        found["build_model"] = lambda: found["build"](4)
        exec(block, found)
    assert found["problem"].learners == (found["learner"],)
    assert found["step"]["images"].shape == (10, 8, 8, 1)
    assert found["more"]["images"].shape == (3, 8, 8, 1)
    assert found["made"]["images"].shape == (2, 8, 8, 1)
    assert len(found["scores"]) == 2
    assert all(0 < score < 1 for score in found["scores"])


def test_readmes_python(tmp_path):
    done = tiny.run_main(
        tmp_path / "runs" / "digits",
        "--config.meta.num_steps=1",
        "--config.generator.noise_dim=64",
    )
    assert done.code == 0, done.errors
    done = tiny.run_forked(_run_blocks, tmp_path)
    assert done.code == 0, done.errors
