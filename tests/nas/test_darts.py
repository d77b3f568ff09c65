"""DARTS: its training and its steps."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.nas import search
from gtn_tf.nas.mixed_training import Mixed, find
from gtn_tf.nas.strategies.darts import Darts
from gtn_tf.nas.strategies.listed import Listed
from gtn_tf.nas.strategies.strategy import Found
from gtn_tf.runtime.row_log import read_rows
from gtn_tf.types import InputError
from tests.helpers import nb201_search, tiny


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "num_mixed"), [("nb201", (6, 5)), ("cells", (4, 11))]
)
def test_it_ends_in_the_cells_of_its_epochs(tmp_path, space, num_mixed):
    session = nb201_search.session(search__space=space, search__num_nodes=1)
    darts = Darts(num_epochs=2, second_order=False, learning_rate=0.1)
    found = find(darts, session, tmp_path)
    (folder,) = (tmp_path / "search" / "darts").iterdir()
    rows = read_rows(folder / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["validation_loss"] < rows[0]["validation_loss"]
    assert found.architectures[0] == rows[1]["architecture"]
    assert {row["architecture"] for row in rows} == set(found.architectures)
    for text in found.architectures:
        assert session.space.to_text(session.space.from_text(text)) == text
        assert "none" not in text
    assert found.seconds > 0
    assert found.supernet is None
    shares = json.loads((folder / "metadata.json").read_text())["shares"]
    assert np.shape(shares) == num_mixed
    np.testing.assert_allclose(np.sum(shares, 1), 1, rtol=1e-5)
    assert find(darts, session, tmp_path) == found  # done before


@pytest.mark.parametrize("second_order", [False, True])
def test_a_step_depends_on_what_is_saved_alone(second_order):
    darts = Darts(1, second_order, learning_rate=0.1)
    mixed = Mixed(darts, nb201_search.session())
    variables = tf.nest.flatten(mixed.objects())

    def after(step):
        mixed.take_step(step)
        return [variable.numpy() for variable in variables]

    saved = after(1)
    once, later = after(2), after(3)
    for variable, value in zip(variables, saved, strict=True):
        variable.assign(value)
    for value, again in zip(once, after(2), strict=True):
        np.testing.assert_array_equal(value, again)
    assert any((a != b).any() for a, b in zip(once, later, strict=True))


@pytest.mark.parametrize(
    "found",
    [
        *(None, 0.7, ("a",), Found((), 1.0), Found("abc", 1.0)),
        *(Found(("a", 1), 1.0), Found(("a",), None), Found(("a",), -1.0)),
        Found(("a",), 1.0, "search/supernet"),
    ],
)
def test_what_an_own_strategy_returns_is_told(tmp_path, found):
    session = nb201_search.session(search__strategy="mine:Own")
    own = SimpleNamespace(find=lambda session, workdir: found)
    with pytest.raises(InputError, match="'mine:Own' returns") as caught:
        search._find(own, session, tmp_path)
    assert caught.match(tiny.ONE_LINE)
    sound = Found(["a"], 1, tmp_path)
    own.find = lambda session, workdir: sound
    assert search._find(own, session, tmp_path) is sound


def test_a_list_that_is_too_short_begins_again():
    listed = Listed(("a", "b"))
    state = listed.init(None, 0)
    count = listed.num_asked(0, 4)
    assert listed.ask(None, state, [], count)[1] == ["a", "b", "a", "a"]
