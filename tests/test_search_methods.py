from benchmarks.charged_search import run_search
from benchmarks.search_methods_page import draw, tables, write_page
from gtn_tf.nas.strategies.random import Random
from gtn_tf.search_spaces.nb201.space import NB201

_SKIPS = (
    "|skip_connect~0|+|skip_connect~0|nor_conv_3x3~1|+"
    "|skip_connect~0|none~1|skip_connect~2|"
)
PRICE = {"setup": 10.0, "price": 2.0}


class _Scores:
    """The number of 3x3 convolutions as score; the truth is its contrary."""

    space, truth, is_looked_up = NB201(), "table", True

    def __init__(self):
        self.asked = []

    def get(self, evaluator, proposal):
        self.asked.append((evaluator, proposal.key))
        number = proposal.architecture.count("nor_conv_3x3")
        return -number if evaluator == self.truth else number


def _search(most_seconds, most_proposals, is_looked_up=True):
    scores = _Scores()
    scores.is_looked_up = is_looked_up
    found = run_search(
        *(Random(), "params", 0, scores, PRICE),
        *(most_seconds, most_proposals),
    )
    return scores, found


def test_a_search_is_charged_its_setup_and_each_different_cell():
    scores, found = _search(10 + 2 * 30 + 1, 300)
    assert found["num_different"] == 30
    assert found["seconds"] == [12 + 2 * number for number in range(30)]
    asked = [key for name, key in scores.asked if name == "params"]
    assert sorted(asked) == sorted(set(found["keys"]))
    # Of the ten best by the evaluator, the best by the truth.
    numbers = sorted(
        (-scores.get("table", proposal) for proposal in _cells(found["keys"])),
        reverse=True,
    )
    assert found["pick"] == -numbers[9]
    assert found["truths"][-1] == found["pick"]


def test_a_dear_truth_is_asked_of_the_best_alone():
    scores, found = _search(10 + 2 * 30 + 1, 300, is_looked_up=False)
    assert sum(name == "table" for name, _ in scores.asked) == 10
    _, looked_up = _search(10 + 2 * 30 + 1, 300)
    assert found["pick"] == looked_up["pick"]
    assert found["seconds"] == looked_up["seconds"][-1:]
    assert found["truths"] == [found["pick"]]


def _cells(keys):
    from gtn_tf.nas.proposals import Proposals

    made = Proposals(Random(), NB201(), 0, 300).made
    return list({p.key: p for p in made if p.key in set(keys)}.values())


def test_a_search_ends_with_its_proposals_and_may_not_begin():
    assert _search(1e9, 25)[1]["num"] == 25
    assert _search(11.0, 25)[1]["pick"] is None


def test_the_page_says_what_was_found(tmp_path):
    _, found = _search(1e9, 25)
    result = {
        "seconds": 100.0,
        "space": "nb201",
        "truth": "table",
        "proposals": 25,
        "strategies": ("random",),
        "coupled": ("darts",),
        "top": 10,
        "rounds": 3,
        "prices": {"params": PRICE},
        "searches": [
            {"strategy": "random", "evaluator": "params", **found},
            {
                **{"strategy": "darts", "evaluator": "its own"},
                **{"pick": 1.5, "first": 1.0, "seconds": [7.0]},
                "truths": [1.5],
                "cells": [_SKIPS],
            },
        ],
        "ranking": {},
        "provenance": {"cpu": "a processor", "commit": "abc"},
    }
    text = tables(result)
    row = next(x for x in text.splitlines() if x.startswith("| params"))
    assert row == (
        f"| params | 10 | 2 | {found['pick']:.2f} ± nan "
        f"[{found['num_different']}] |"
    )
    assert "| darts | 1.50 ± nan | 1.00 ± nan | 4 | 7 | 1 |" in text
    path = tmp_path / "README.md"
    write_page(path, result)
    title, rest = path.read_text().split("\n\n", 1)
    path.write_text(f"{title}\n\nWhat it says.\n\n{rest}")
    for _ in range(2):  # what a person wrote stays
        write_page(path, result)
    assert path.read_text() == f"{title}\n\nWhat it says.\n\n{rest}"
    assert path.read_text().endswith(text)
    shares = tables(result | {"truth": "real:steps=3"})
    assert f"| params | 10 | 2 | {100 * found['pick']:.2f} ± nan " in shares
    assert "| darts | 150.00 ± nan | 100.00 ± nan | 4 | 7 | 1 |" in shares
    draw(tmp_path / "figure.png", result)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
