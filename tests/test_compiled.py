"""The meta-gradient compiled by XLA, as on accelerators.

XLA's random kernels draw other numbers than the plain ones, whatever the
algorithm: where the two are compared, weights and real batches are given.
"""

import re
from collections import Counter

import pytest
import tiny

from gtn_tf import data
from gtn_tf.assembly import build_gtn, build_problem
from gtn_tf.real_batches import device_split
from gtn_tf.seeds import root_seed

#: What would leave the compiled program for the host while it runs.
_HOST_OPS = {"send", "recv", "infeed", "outfeed", "send-done", "recv-done"}
_NUM_LEARNERS = 2


def _build(source, learner, widths, precision="float32"):
    config = tiny.get_config()
    config.source = source
    config.learner.name = learner
    config.learner.pool_size = 2
    config.curriculum.name = "shuffled_batch"
    config.precision = precision
    with config.ignore_type():
        config.learner.widths = widths
    train = device_split(data.load("digits", None, 0), "train")
    return build_gtn(config, train), build_problem(config, train)


def _with_given_draws(gtn, problem):
    """Fixes initial weights, real batch and order of the curriculum."""

    def fix(learner):
        state = learner.init(root_seed(1))
        return learner._replace(init=lambda seed: state)

    real = problem.sample_real(root_seed(2))
    order = gtn.curriculum.draw_order(root_seed(3), *gtn.label_ids.shape)
    gtn.curriculum = gtn.curriculum._replace(draw_order=lambda *_: order)
    return gtn, problem._replace(
        learners=tuple(map(fix, problem.learners)),
        sample_real=lambda seed: real,
    )


_CASES = [
    pytest.param("distillation", "mlp", (4, (2, 3)), id="small"),
    pytest.param(
        *("gtn", "conv2_fc", ((2, 4), 3, 4)), id="full", marks=pytest.mark.slow
    ),
]


@pytest.mark.parametrize("case", _CASES)
def test_compiled_equals_uncompiled(case_arguments):
    gtn, problem = _with_given_draws(*_build(*case_arguments))


def _instructions(text):
    return Counter(re.findall(r"= \S+ ([a-z][a-z0-9\-]*)\(", text))
