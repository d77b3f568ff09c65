"""Encoder, predictor, decoder; and the strategy that they serve."""

import numpy as np
import pytest

from gtn_tf.nas.proposals import Proposals
from gtn_tf.nas.strategies.nao import NAO, rewritten, scaled_ranks
from gtn_tf.nas.strategies.nao_networks import Networks
from gtn_tf.nas.strategies.strategy import Told
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.nb201.space import NB201
from tests.helpers import nb201, search_parts


def _pairwise_accuracy(scores, truth):
    """Share of the pairs of different truth that are in the right order."""
    signs = [np.sign(v[:, None] - v[None]) for v in (scores, truth)]
    return (signs[0] == signs[1])[signs[1] != 0].mean()


@pytest.fixture(scope="module")
def trained():
    """Networks that have seen 300 cells of NAS-Bench-201; cells, accuracies."""
    truth = nb201.accuracies()
    cells = np.array([NB201().encode(cell) for cell in truth])
    order = np.random.default_rng(1).permutation(len(cells))[:900]
    cells, accuracies = cells[order], np.array([*truth.values()])[order]
    networks = Networks(NB201().decisions(), seed=3)
    networks.train(cells[:300], scaled_ranks(accuracies[:300]), 70)
    return networks, cells, accuracies


def test_the_order_of_others_is_predicted(trained):
    networks, cells, accuracies = trained
    scores = networks.scores(cells)
    assert _pairwise_accuracy(scores[300:], accuracies[300:]) >= 0.75


@pytest.mark.slow
def test_what_was_encoded_is_decoded():
    cells = np.random.default_rng(1).integers(5, size=(24, 6))
    networks = Networks((5,) * 6, seed=3)
    networks.train(cells, np.linspace(0, 1, 24), 250)
    decoded, _ = networks.moved(cells, 0.0)
    np.testing.assert_array_equal(decoded, cells)


def test_a_step_raises_the_predicted_score(trained):
    networks, cells, accuracies = trained
    before = networks.scores(cells)
    decoded, after = networks.moved(cells, 1.0)
    assert (after >= before).all()
    truth = nb201.accuracies()
    reached = [truth[NB201().canonical(NB201().decode(o))] for o in decoded]
    assert np.mean(reached) > accuracies.mean() + 2
    far, _ = networks.moved(cells, 50.0)
    assert set(np.unique([decoded, far])) <= set(range(5))


def test_the_options_of_each_decision_are_kept():
    """Fresh networks decode nonsense, but of the space."""
    space = SearchSpace(2, ("identity", "conv3x3", "max2x2"))
    numbers = np.array(space.decisions())
    options = np.array([space.encode(space.sample((0, i))) for i in range(9)])
    decoded, _ = Networks(numbers, seed=0).moved(options, 3.0)
    assert (decoded >= 0).all()
    assert (decoded < numbers).all()


def test_rewritten_cells_are_the_same_function():
    space = SearchSpace(3)
    given = [space.encode(space.sample((0, i))) for i in range(5)]
    options, scores = rewritten(space, given, np.arange(5.0), 2)
    assert 30 < len(options) <= 50
    assert len({tuple(row) for row in options}) == len(options)
    for row, score in zip(options, scores, strict=True):
        key = space.key(space.decode(row.tolist()))
        assert key == space.key(space.decode(given[int(score)]))


def test_ranks_take_failures_for_the_worst():
    ranks = scaled_ranks([-3.0, None, 7.0, 7.0, None])
    np.testing.assert_array_equal(ranks, [0.5, 0.125, 0.875, 0.875, 0.125])


@pytest.mark.slow
def test_it_finds_better_ones_and_none_twice():
    space, truth = NB201(), nb201.accuracies()
    made = []
    for order in (1, -1):  # in which results arrive
        proposals = Proposals(NAO(100, 30, 60), space, 5, 130)
        scores = {}
        while len(scores) < len(proposals.made):
            number = len(proposals.made)
            for proposal in proposals.made[len(scores) :][::order]:
                assert len(proposals.made) == number  # a round waits for all
                cell = space.from_text(proposal.architecture)
                scores[proposal.key] = truth[space.canonical(cell)]
                proposals.tell(scores)
        made.append(proposals.made)
    assert made[0] == made[1]
    assert len({proposal.key for proposal in made[0]}) == 130
    cells = [space.from_text(proposal.architecture) for proposal in made[0]]
    drawn = space.sample_different(100, (5,), "a.b").values()
    assert cells[:100] == list(drawn)
    found = [truth[cell] for cell in cells]
    assert np.median(found[100:]) > np.quantile(found[:100], 0.75)


def test_a_used_up_space_is_repeated():
    class Few(search_parts.Digits):
        def decisions(self):
            return (2, 1, 2, 1)

    space = Few(1, ())
    texts = ("0000", "0010", "1000", "1010")
    keys = [space.key(space.from_text(text)) for text in texts]
    history = [Told(*told, 1.0) for told in zip(texts, keys, strict=True)]
    state = {"seed": 0, "num_asked": 4}
    state, asked = NAO(4, 3, 1).ask(space, state, history, 3)
    assert asked == ["0000"] * 3
    assert state["num_asked"] == 7
