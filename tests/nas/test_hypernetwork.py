"""A hypernetwork: what it writes, its steps, its training and scores."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.nas import weight_training
from gtn_tf.nas.evaluators.evaluator import Job
from gtn_tf.nas.evaluators.registry import make_evaluators
from gtn_tf.nas.weight_training import (
    SOURCES,
    Stepper,
    open_source,
    prepare_source,
)
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.nb201.genotypes import EDGES, OPS
from gtn_tf.types import InputError, SyntheticData
from tests.helpers import nb201_search, tiny
from tests.helpers.float_tolerance import assert_close

_CELL = ("nor_conv_3x3", "nor_conv_1x1", "none", *OPS[2:])
_FAN_IN = {"nor_conv_1x1": 2, "nor_conv_3x3": 18}  # C = 2
#: Layers and updates of a node's state, each a sum over 64 units.
_NUM_ROUNDINGS = 16 * 64
_OF_CELLS = {"search__num_nodes": 1, "search__num_cells": 1}
_CHANGES = {
    "search__evaluators": ("ghn",),
    "search__ghn__num_epochs": 2,
    "search__ghn__num_phases": 2,
}


def _session(**changes):
    return nb201_search.session(**_CHANGES, **changes)


def _open(session, folder):
    return open_source("ghn", session, folder)[0]


def _blocks(source, cell):
    *_, kinds, links = source.tell(cell)
    return [block.numpy() for block in source.blocks(kinds, links)]


def _images(session, count):
    images, labels = session.training_images(np.arange(count))
    rates = {"learning_rate": tf.constant(0.01), "momentum": tf.constant(0.9)}
    return SyntheticData(images, labels, rates)


def test_what_it_writes(tmp_path):
    plain = _session(search__ghn__normalizes=False)
    source = _open(plain, tmp_path / "plain")
    first, *_ = blocks = _blocks(source, _CELL)
    # The later cells are told of those before them.
    assert len(blocks) == 3
    assert not np.allclose(first, blocks[1])
    # Nodes 1 and 2 by each other's names.
    a, b, _, c, d, e = _CELL
    renamed = _blocks(source, (b, a, "none", c, e, d))
    order = [EDGES.index(n) for n in ((0, 2), (0, 1), (1, 2), (0, 3))]
    order += [EDGES.index(n) for n in ((2, 3), (1, 3))]
    for block, other in zip(blocks, renamed, strict=True):
        assert_close(other[order], block, _NUM_ROUNDINGS)
    # Each operation reads from the front; normalised, by its own fan-in.
    normalizing = _open(_session(), tmp_path / "normalizing")
    for variable, value in zip(normalizing.params, source.params, strict=True):
        variable.assign(value)
    told = source.tell(_CELL)
    raw, formed = source.path(told), normalizing.path(told)
    rows = source._shared.rows(told[:-2])
    place = next(i for i, of in enumerate(rows) if of is not None)
    for edge, op in enumerate(_CELL):
        size = 2 * _FAN_IN.get(op, 0)
        written = raw.params[place][edge].numpy()
        np.testing.assert_array_equal(written[:size], first[edge, :size])
        own = formed.params[place][edge].numpy()
        np.testing.assert_allclose(
            own[:size], written[:size] * np.sqrt(2 / (size / 2 or 1)), rtol=1e-5
        )
        if size:
            scale, offset = first[edge, size:][:2], first[edge, size + 2 :][:2]
            np.testing.assert_allclose(written[size:][:2], 1 + scale)
            bounded = [*(2 / (1 + np.exp(-scale / 2))), *np.tanh(offset / 5)]
            np.testing.assert_allclose(
                own[size : size + 4], bounded, rtol=1e-5, atol=1e-6
            )


@pytest.mark.slow
def test_it_learns_one_cell(tmp_path):
    session = _session()
    source = _open(session, tmp_path)
    data = _images(session, 20)
    dead = source.score(("none",) * 6)
    assert dead == pytest.approx(0.1, abs=0.05)
    for _ in range(60):
        source.train(_CELL, data)
    state = source.path(source.tell(_CELL))
    logits, _ = source._learner.apply(*state[:2], data.images, True)
    losses = tf.keras.losses.categorical_crossentropy(
        data.labels, logits, from_logits=True
    )
    assert float(tf.reduce_mean(losses)) < math.log(10) / 2


@pytest.mark.parametrize("space", ["nb201", "cells"])
def test_its_gradient_goes_through_all_nodes(tmp_path, space):
    session = _session(search__space=space, **_OF_CELLS)
    source = _open(session, tmp_path)
    cell = _CELL
    if space == "cells":
        cell = session.space.from_text(
            "conv3x3@1+max3x3@0:2/conv1x3_3x1@0+identity@1:2"
        )
    source.train(cell, _images(session, 20))
    # Adam's first moments: one share of the gradient each.
    moments = source.slots[: len(source.params)]
    moved = [bool(tf.reduce_any(moment != 0.0)) for moment in moments]
    # But for what halves an input that is concatenated, which none is here:
    # four variables of each of two inputs, in two cells.
    assert len(moved) - sum(moved) == (0 if space == "nb201" else 16)


def test_a_step_that_blows_up_is_left_out(tmp_path):
    session = _session()
    source = _open(session, tmp_path)
    before = [v.numpy() for v in (*source.params, *source.slots)]
    data = _images(session, 20)
    labels = data.labels * float("inf")
    source.train(_CELL, data._replace(labels=labels))
    after = [v.numpy() for v in (*source.params, *source.slots)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    source.train(_CELL, data)
    assert source.is_finite()
    assert any(
        (one != other.numpy()).any()
        for one, other in zip(before, source.params, strict=False)
    )


def test_a_step_depends_on_what_is_saved_alone(tmp_path):
    session = _session()
    source = _open(session, tmp_path)
    stepper = Stepper(
        session, source, 9, 9, rates=SOURCES["ghn"].rates(session.spec)
    )
    variables = [*source.params, *source.slots]

    def after(step):
        stepper(step)
        return [variable.numpy() for variable in variables]

    saved, once = after(1), after(2)
    for variable, value in zip(variables, saved, strict=True):
        variable.assign(value)
    for value, again in zip(once, after(2), strict=True):
        np.testing.assert_array_equal(value, again)


def test_cells_of_a_kind_and_distance_are_told_apart(tmp_path):
    """The same operations in all cells; only messages and strides differ."""
    session = _session(search__space="cells", **_OF_CELLS)
    source = _open(session, tmp_path)
    text = "conv3x3@1+conv3x3@0:2/conv3x3@1+conv3x3@0:2"
    blocks = _blocks(source, session.space.from_text(text))
    assert len(blocks) == 5
    for first, second in itertools.combinations(blocks, 2):
        assert not np.allclose(first, second, rtol=1e-3)
    # Of the two edges one reads the last output, the other the one before.
    assert not np.allclose(*blocks[4], rtol=1e-3)
    # The first cell has no other before it: its inputs' messages are alike.
    swapped = "conv3x3@0+conv3x3@1:2/conv3x3@1+conv3x3@0:2"
    other = _blocks(source, session.space.from_text(swapped))
    assert_close(other[0], blocks[0][::-1], _NUM_ROUNDINGS)


def test_it_is_trained_once_and_scores(tmp_path):
    session = _session()
    done = prepare_source("ghn", session, tmp_path)
    assert done.seconds > 0
    assert done.folder.parent == (tmp_path / "search" / "ghn").absolute()
    assert prepare_source("ghn", session, tmp_path) == done
    (evaluator,) = (
        e
        for e in make_evaluators(session.spec, session.space).values()
        if e.teacher == "ghn"
    )
    text = session.space.to_text(_CELL)
    job = Job(_CELL, text, root_seed(0), str(done.folder))
    found = evaluator.evaluate(job, session)
    loaded = weight_training.load_source("ghn", session, done.folder)
    assert found["score"] == loaded.read(_CELL)["log_likelihood"]
    assert found["seconds"]["setup"] > found["seconds"]["validate"] > 0
    path = {"search__ghn__path": str(done.folder)}
    assert prepare_source("ghn", _session(**path), tmp_path) == done
    for changes, part in (
        ({"search__ghn__normalizes": False}, "normalizes True; expected False"),
        ({"search__channels": 3}, "channels 2; expected 3"),
    ):
        with pytest.raises(InputError, match=part) as caught:
            prepare_source("ghn", _session(**path, **changes), tmp_path)
        assert caught.match(tiny.ONE_LINE)
