import json

import pytest

from gtn_tf.nas.results import pick_seconds, read_search
from gtn_tf.retrain.genotype import find_genotype
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.published_genotypes import published_genotype
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.finished_search import (
    KEYS,
    SCORES,
    TRUTH,
    put_results,
    write_search,
)
from tests.helpers.genotypes import cell

_GENOTYPE = published_genotype("NAONet-A")


def test_a_published_name():
    origin = find_genotype("NAONet-A")
    assert origin == (_GENOTYPE, "NAONet-A", None)


@pytest.mark.parametrize(
    "text", [_GENOTYPE.to_text(), json.dumps(_GENOTYPE.to_json(), indent=1)]
)
def test_a_file_as_text_or_json(tmp_path, text):
    path = tmp_path / "mine.v2.json"
    path.write_text(f"{text}\n")
    assert find_genotype(str(path)) == (_GENOTYPE, "mine.v2", None)


def test_a_file_of_naos_integers(tmp_path):
    path = tmp_path / "arch.json"
    path.write_text("[[0, 7, 1, 11], [1, 0, 0, 4, 2, 14, 0, 6]]\n")
    found = find_genotype(str(path)).genotype
    assert found.normal == cell("conv3x3@0+max3x3@1")
    assert found.reduction == cell("sep3x3@1+identity@0", "avg3x3@2+conv1x1@0")
    path.write_text("[[0, 7, 1, 11]")
    with pytest.raises(InputError, match="is no JSON"):
        find_genotype(str(path))
    path.write_text("[[0, 7, 1, 11]]")
    with pytest.raises(InputError, match="1 cells; expected the normal"):
        find_genotype(str(path))


def test_a_file_is_no_published_architecture_by_its_name(tmp_path):
    path = tmp_path / "NAONet-A.json"
    path.write_text(published_genotype("DARTS-V2").to_text())
    origin = find_genotype(str(path))
    assert (origin.genotype, origin.name) == (
        published_genotype("DARTS-V2"),
        "file NAONet-A.json",
    )
    path.write_text(_GENOTYPE.to_text())
    assert find_genotype(str(path)).name == "NAONet-A"


def test_what_a_search_selected(tmp_path):
    ranked = write_search(tmp_path)
    genotype = Genotype.from_text(ranked["selected"]["genotype"])
    expected = {
        "strategy": "random",
        "evaluator": "gtn",
        "num_architectures": 12,
        "seconds": ranked["evaluators"]["gtn"].get("total_seconds"),
    }
    name = f"search-{genotype.key()[:8]}"
    for value in (f"search:{tmp_path}", f"search:{tmp_path}:gtn"):
        assert find_genotype(value) == (genotype, name, expected)


def test_the_pick_of_another_evaluator(tmp_path):
    write_search(tmp_path)
    origin = find_genotype(f"search:{tmp_path}:params")
    best = max(SCORES["params"], key=SCORES["params"].get)
    assert origin.genotype.key() == best
    assert origin.search["evaluator"] == "params"
    assert best != find_genotype(f"search:{tmp_path}").genotype.key()


def _change_ranking(workdir, change):
    path = workdir / "search" / "ranking.json"
    ranking = json.loads(path.read_text())
    change(ranking)
    path.write_text(json.dumps(ranking))


def test_seconds_are_those_of_the_search(tmp_path):
    write_search(tmp_path)
    _change_ranking(
        tmp_path, lambda r: r["evaluators"]["gtn"].update(total_seconds=500.0)
    )
    assert find_genotype(f"search:{tmp_path}").search["seconds"] == 500.0


def _cost(total, setup=0.0, digest=None):
    own = {"total_seconds": total, "setup_seconds": setup}
    return {**own, "gtn_digest": digest}


@pytest.mark.parametrize(
    ("changes", "value", "expected"),
    [
        # A coupled strategy's training, whoever scores then.
        ({"found_seconds": 1000.0}, "", 1001.0),
        ({"found_seconds": 1000.0}, ":params", 1010.0),
        # What the truth selects, and the guide's own pick.
        ({"strategy": {"guide": "gtn"}}, "", 101.0),
        ({"strategy": {"guide": "gtn"}}, ":gtn", 1.0),
        # Scores of the first led a strategy that adapts.
        ({"strategy": {"adapts": True}, "found_seconds": 2.0}, ":params", 13.0),
        ({"strategy": {"adapts": True}}, ":gtn", 1.0),
        ({"strategy": {"adapts": False}}, ":params", 10.0),
    ],
)
def test_seconds_of_all_that_led_to_a_pick(tmp_path, changes, value, expected):
    write_search(tmp_path)

    def change(ranked):
        numbers = {"num_proposals": 12, "num_different": 12}
        if "strategy" in changes:
            changes["strategy"] |= {"name": "mine", **numbers}
        ranked.update(changes)
        ranked["evaluators"]["gtn"].update(_cost(1.0, 0.5, "12ab"))
        ranked["evaluators"]["params"].update(_cost(10.0))
        ranked["truth"].update(_cost(100.0))

    _change_ranking(tmp_path, change)
    found = find_genotype(f"search:{tmp_path}{value}")
    assert found.search["seconds"] == expected


def test_what_serves_two_evaluators_is_trained_once():
    rows = {
        "gtn": _cost(60.0, 50.0, "12ab"),
        "gtn:readout=accuracy": _cost(70.0, 50.0, "12ab"),
        "distillation": _cost(80.0, 50.0, "34cd"),
    }
    mean = "rank_mean:gtn+gtn:readout=accuracy+distillation"
    ranked = {"evaluators": rows}
    assert pick_seconds(ranked, mean, False) == 60.0 + 20.0 + 80.0
    del rows["distillation"]["total_seconds"]  # as of old
    assert pick_seconds(ranked, mean, False) is None


def test_a_pick_is_of_the_ranking_though_the_workdir_holds_more(tmp_path):
    """After a search of fewer architectures than the one before."""
    ranked = write_search(tmp_path, num_architectures=9)
    for name in ("params", TRUTH):
        put_results(tmp_path, name, dict.fromkeys(KEYS[9:], 1e9))
    value = f"search:{tmp_path}:params"
    # A ranking of old does not say which they are.
    with pytest.raises(InputError, match="no scores of 'params'"):
        find_genotype(value)
    _change_ranking(tmp_path, lambda r: r.update(keys=KEYS[:9]))
    best = max(KEYS[:9], key=SCORES["params"].get)
    assert find_genotype(value).genotype.key() == best
    # Only some have a truth: the first, and no others.
    _change_ranking(tmp_path, lambda r: r.update(keys=KEYS))
    with pytest.raises(InputError, match="run --mode=search again"):
        find_genotype(value)
    put_results(tmp_path, "gtn", dict.fromkeys(KEYS[9:], 1e9))
    put_results(tmp_path, "flat", dict.fromkeys(KEYS[9:], 1e9))
    assert find_genotype(value).genotype.key() == min(KEYS[9:])
    scores = read_search(tmp_path).scores
    assert scores[TRUTH].keys() == set(KEYS[:9])
    assert ranked["num_architectures"] == 9


def test_a_search_that_selected_nothing(tmp_path):
    write_search(tmp_path)
    _change_ranking(tmp_path, lambda r: r.update(selected=None))
    with pytest.raises(InputError, match="selected nothing") as caught:
        find_genotype(f"search:{tmp_path}")
    assert caught.match(tiny.ONE_LINE)
    # An evaluator's pick is known all the same.
    assert find_genotype(f"search:{tmp_path}:params").genotype


def test_an_evaluator_that_the_search_has_not(tmp_path):
    write_search(tmp_path)
    with pytest.raises(InputError, match="gtn, params, flat") as caught:
        find_genotype(f"search:{tmp_path}:real:steps=2")
    assert caught.match(tiny.ONE_LINE)
    assert "'real:steps=2'" in str(caught.value)


def test_a_search_whose_scores_are_gone(tmp_path):
    write_search(tmp_path)
    for path in (tmp_path / "search" / "results").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="no scores of 'params'") as caught:
        find_genotype(f"search:{tmp_path}:params")
    assert caught.match(tiny.ONE_LINE)
    assert find_genotype(f"search:{tmp_path}").genotype  # is in the ranking


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "cannot be read"),
        ("sep9x9@0+identity@1:2/identity@0+identity@1:2", "'sep9x9'"),
        ("{", "is no JSON"),
        ("{}", "cannot be read"),
        (b"\xff\xfe", "UnicodeDecodeError"),
    ],
)
def test_a_file_without_a_genotype(tmp_path, text, part):
    path = tmp_path / "bad"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=part) as caught:
        find_genotype(str(path))
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(";") >= 2


@pytest.mark.parametrize("value", [None, "NASNet", "no/such/file", "search:x"])
def test_no_genotype(value):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        find_genotype(value)
    if value != "search:x":
        assert "NASNet-A" in str(caught.value)
