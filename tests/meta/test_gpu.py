"""A first look at a machine with a GPU; without one, nothing runs."""

import os

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.runtime.row_log import read_rows
from tests.helpers import tiny

pytestmark = pytest.mark.skipif(
    not tf.config.list_physical_devices("GPU"), reason="no GPU"
)
_STEPS = ("--config.meta.num_steps=3", "--config.strategy=one_device")


def _hide_gpus():
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def test_a_gpu_computes_what_the_cpu_does(tmp_path):
    rows = []
    for name, hook in (("gpu", None), ("cpu", _hide_gpus)):
        done = tiny.run_main(
            tmp_path / name, *_STEPS, "--config.jit_compile=False", hook=hook
        )
        assert done.code == 0, done
        rows.append(read_rows(tmp_path / name / "metrics.jsonl"))
    for gpu, cpu in zip(*rows, strict=True):
        np.testing.assert_allclose(gpu["meta_loss"], cpu["meta_loss"], 1e-3)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_compiled_meta_steps_run(tmp_path, precision):
    done = tiny.run_main(tmp_path, *_STEPS, f"--config.precision={precision}")
    assert done.code == 0, done
    assert len(read_rows(tmp_path / "metrics.jsonl")) == 3
