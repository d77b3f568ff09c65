import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.forms import Case, draw_params, make_inputs, peer_form
from gtn_tf.learners.families import from_family
from gtn_tf.meta.data_gradients import rematerialized_data_gradient
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.ops.seeds import root_seed
from gtn_tf.types import Batch, SyntheticData
from tests.helpers.tiny import run_forked

TINY = Case(
    widths=(4, 6, 8), image_shape=(8, 8, 1), num_inner_steps=2, batch_size=4
)


def run_benchmark(path):
    from absl import app

    from benchmarks import meta_step

    app.run(
        meta_step.main,
        argv=[
            "meta_step",
            "--widths=4,6,8",
            "--image_shape=8,8,1",
            "--num_inner_steps=2",
            "--batch_size=4",
            "--num_rounds=1",
            "--forms=plain,remat",
            "--peers=",
            f"--json={path}",
        ],
    )


@pytest.mark.slow
def test_writes_ratios(tmp_path):
    path = tmp_path / "meta_step.json"
    done = run_forked(run_benchmark, path)
    assert done.code == 0, done.errors
    found = json.loads(path.read_text())
    assert found["flop_ratios"]["remat"] == pytest.approx(4, abs=0.05)
    assert found["memory_slope_over_state"] is not None
    assert found["times"]["remat"]["first_call_seconds"] > 0
    assert found["versions"]["keras"]


@pytest.mark.parametrize(
    ("peer", "form"),
    [
        ("torch", "stored"),
        ("torch", "remat"),
        pytest.param(
            *("torch", "compiled"),
            marks=[
                pytest.mark.slow,
                pytest.mark.filterwarnings("ignore::DeprecationWarning"),
            ],
        ),
        ("jax", "stored"),
        ("jax", "remat"),
    ],
)
def test_peers_compute_the_same_meta_gradient(peer, form):
    pytest.importorskip(peer)
    inputs = make_inputs(TINY)
    learner = from_family("conv2_fc", TINY.image_shape, 10, TINY.widths)
    params = [tf.constant(p) for p in draw_params(TINY)]
    fresh, statistics = learner.init(root_seed(0))
    assert [p.shape for p in fresh] == [p.shape for p in params]
    learner = learner._replace(init=lambda seed: (params, statistics))
    data = SyntheticData(
        tf.constant(inputs.images),
        tf.constant(inputs.labels),
        {
            "learning_rate": tf.constant(inputs.learning_rate),
            "momentum": tf.constant(inputs.momentum),
        },
    )
    real = Batch(
        tf.constant(inputs.real_images), tf.constant(inputs.real_labels)
    )
    problem = InnerProblem((learner,), SGD, lambda seed: real)
    expected, _ = rematerialized_data_gradient(
        problem, learner, data, root_seed(0)
    )
    images, labels, rate, momentum = (
        np.asarray(t) for t in peer_form(f"{peer}_{form}", TINY)()
    )
    if peer == "torch":
        images = images.transpose(0, 1, 3, 4, 2)
    pairs = (
        (expected.images, images),
        (expected.labels, labels),
        (expected.hyperparameters["learning_rate"], rate),
        (expected.hyperparameters["momentum"], momentum),
    )
    for a, b in pairs:
        scale = np.abs(a).max()
        np.testing.assert_allclose(b, a, atol=1e-4 * scale, rtol=0)


@pytest.mark.slow
def test_a_form_of_the_accelerators_runs_dry():
    form = ["mnist_last_loss", "gtn_tf", "mixed_bfloat16", False, 2]
    command = [sys.executable, "-m", "benchmarks.accelerator", "--dry"]
    done = subprocess.run(
        [*command, f"--child={json.dumps(form)}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["milliseconds"] > 0
    per_learner = found["milliseconds"] / 2  # of two learners
    assert found["milliseconds_per_learner"] == pytest.approx(per_learner)
