import json

import pytest
import tiny

from gtn_tf.nas.published_genotypes import published_genotype
from gtn_tf.nas.retrain_genotype import find_genotype
from gtn_tf.types import InputError

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


def _write_ranking(workdir, **values):
    ranking = {
        "num_architectures": 8,
        "evaluators": {
            "gtn": {"seconds_per_architecture": 3.0, "setup_seconds": 40.0},
            "params": {},
        },
        "selected": {
            "key": _GENOTYPE.key(),
            "genotype": _GENOTYPE.to_json(),
            "evaluator": "gtn",
        },
        **values,
    }
    (workdir / "search").mkdir()
    (workdir / "search" / "ranking.json").write_text(json.dumps(ranking))
    return f"search:{workdir}"


@pytest.mark.parametrize("form", [_GENOTYPE.to_json(), _GENOTYPE.to_text()])
def test_what_a_search_selected(tmp_path, form):
    selected = {"genotype": form, "evaluator": "gtn"}
    origin = find_genotype(_write_ranking(tmp_path, selected=selected))
    assert origin.genotype == _GENOTYPE
    assert origin.name == f"search-{_GENOTYPE.key()[:8]}"
    assert origin.search == {
        "evaluator": "gtn",
        "num_architectures": 8,
        "seconds": 8 * 3.0 + 40.0,
    }


def test_the_searchs_own_sum_of_seconds_is_taken(tmp_path):
    """More architectures may have been scored than have a truth."""
    costs = {"seconds_per_architecture": 3.0, "total_seconds": 500.0}
    value = _write_ranking(tmp_path, evaluators={"gtn": costs})
    assert find_genotype(value).search["seconds"] == 500.0


@pytest.mark.parametrize("evaluator", ["params", None])
def test_a_search_of_unknown_cost(tmp_path, evaluator):
    selected = {"genotype": _GENOTYPE.to_text(), "evaluator": evaluator}
    origin = find_genotype(_write_ranking(tmp_path, selected=selected))
    assert origin.search["seconds"] is None


@pytest.mark.parametrize("selected", [None, {}, {"genotype": None}, 3])
def test_a_search_that_selected_nothing(tmp_path, selected):
    value = _write_ranking(tmp_path, selected=selected)
    with pytest.raises(InputError, match=r"no selected\.genotype") as caught:
        find_genotype(value)
    assert caught.match(tiny.ONE_LINE)


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
