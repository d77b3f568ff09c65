"""The meta-gradient compiled by XLA, as on accelerators.

XLA's random kernels draw other numbers than the plain ones, whatever the
algorithm: where the two are compared, weights, real batches and orders are
given.
"""

import re
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.meta.meta_step import pure_meta_gradient
from gtn_tf.ops.seeds import root_seed
from tests.helpers.compiled import build

#: What would leave the compiled program for the host while it runs.
_HOST_OPS = {"send", "recv", "send-done", "recv-done", "infeed", "outfeed"}
#: Calls that XLA puts in on CPU itself; accelerators have ops of their own.
_CPU_CALLS = {"hlo": set(), "optimized_hlo": {"TopK"}}
_CASES = [
    pytest.param("distillation", "mlp", (4, (2, 3)), id="small"),
    pytest.param(
        *("gtn", "conv2_fc", ((2, 4), 3, 4)), id="full", marks=pytest.mark.slow
    ),
]


def _with_given_draws(gtn, problem):
    def given(learner):
        state = learner.init(root_seed(1))
        return learner._replace(init=lambda seed: state)

    real = problem.sample_real(root_seed(2))
    order = gtn.curriculum.draw_order(root_seed(3), *gtn.label_ids.shape)
    gtn.curriculum = gtn.curriculum._replace(draw_order=lambda *_: order)
    return gtn, problem._replace(
        learners=tuple(map(given, problem.learners)),
        sample_real=lambda seed: real,
    )


def _run(gtn, problem, jit):
    function = pure_meta_gradient(gtn, problem, 2, True, jit)
    return function(gtn.read(), root_seed(4), tf.constant(0))


@pytest.mark.parametrize(("source", "learner", "widths"), _CASES)
def test_compiled_equals_uncompiled(source, learner, widths):
    gtn, problem = _with_given_draws(*build(source, learner, widths))
    plain, plain_losses = _run(gtn, problem, jit=False)
    compiled, losses = _run(gtn, problem, jit=True)
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-5)
    scales = [np.abs(gradient).max() for gradient in plain]
    assert min(scales) > 0
    for name, value, other, scale in zip(
        gtn.trained_names, compiled, plain, scales, strict=True
    ):
        # A bias before a normalisation has a gradient of rounding alone.
        atol = max(1e-3 * scale, 1e-6 * max(scales))
        np.testing.assert_allclose(
            value, other, atol=atol, rtol=0, err_msg=name
        )


def _operations(text):
    """Counts the operations of an HLO text by name."""
    return Counter(re.findall(r"[])}] ([a-z][a-z\-]*)\(", text))


def _loop_bounds(function):
    """Returns maximum_iterations of every loop, None where it is unknown."""
    graph_def = function.graph.as_graph_def()
    bounds = []
    for nodes in (
        graph_def.node,
        *(f.node_def for f in graph_def.library.function),
    ):
        values = {
            node.name: tf.make_ndarray(node.attr["value"].tensor)
            for node in nodes
            if node.op == "Const"
        }
        bounds += [
            values.get(node.input[1].partition(":")[0])
            for node in nodes
            if node.op in ("While", "StatelessWhile")
        ]
    return bounds


@pytest.mark.parametrize(
    "stage", ["hlo", pytest.param("optimized_hlo", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("source", "learner", "widths"), _CASES)
def test_program_is_fit_for_an_accelerator(source, learner, widths, stage):
    """Draws included: nothing calls the host, every loop has a bound."""
    gtn, problem = build(source, learner, widths)
    pure = pure_meta_gradient(gtn, problem, 2, True, jit=True)
    arguments = (gtn.read(), root_seed(4), tf.constant(0))
    text = pure.experimental_get_compiler_ir(*arguments)(stage=stage)
    operations = _operations(text)
    assert operations["while"] >= 3  # learners; inner steps forth and back
    assert not _HOST_OPS & operations.keys()
    calls = re.findall(r'custom_call_target="([^"]+)"', text)
    assert set(calls) <= _CPU_CALLS[stage], calls
    bounds = _loop_bounds(pure.get_concrete_function(*arguments))
    assert len(bounds) >= 3
    assert all(bound is not None and bound > 0 for bound in bounds), bounds


def _trip_counts(text):
    """Returns each loop's trip count in optimised HLO, None if not known."""
    known = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
    loops = [t for t in text.splitlines() if re.search(r"[)}\]] while\(", t)]
    return [int(m[1]) if (m := known.search(t)) else None for t in loops]


_SMALL, _FULL = (case.values for case in _CASES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "more", "counts"),
    [
        # Learners; inner steps forth and back.
        pytest.param(_SMALL, {}, [3, 5, 5], id="small"),
        pytest.param(
            _FULL,
            # The generator's batches forth and back besides.
            {"generator__rematerialize": True, "inner__meta_loss_every": 2},
            [3, 5, 5, 5, 5],
            id="full",
        ),
        # How many steps come before the window is drawn.
        pytest.param(
            _SMALL,
            {"inner__truncation_window": 4},
            [None, 3, 4, 4],
            id="truncated",
        ),
    ],
)
def test_trip_counts_are_known(case, more, counts):
    gtn, problem = build(*case, inner__num_steps=5, **more)
    pure = pure_meta_gradient(gtn, problem, 3, True, jit=True)
    arguments = (gtn.read(), root_seed(4), tf.constant(0))
    text = pure.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo")
    found = _trip_counts(text)
    assert sorted(found, key=lambda n: n or 0) == counts
