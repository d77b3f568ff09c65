import pytest

from benchmarks.growth_figures import META_STEP
from benchmarks.growth_page import exponent, memory_limit, write_page
from benchmarks.growth_points import AXES, BASE, due, measure_search
from benchmarks.machine import environment


def test_what_is_due():
    points = {"num_steps": {"5": {}, "80": {}}}
    found = list(due(points, ["num_steps", "num_classes"], 3))
    assert found == [
        *(("num_classes", 10), ("num_steps", 20), ("num_classes", 100)),
        ("num_classes", 1000),
    ]


def test_axes_begin_at_or_around_the_base():
    assert META_STEP.keys() == BASE.keys() < AXES.keys()
    assert all(BASE[name] in AXES[name] for name in BASE)


def test_exponents_are_those_of_the_last_three():
    values = [1, 2, 4, 8]
    assert exponent(values, [50, 4, 16, 64]) == pytest.approx(2)
    assert exponent([10], [1.0]) is None


def test_where_memory_ends():
    peaks = [5 + 3 * value**2 for value in (2, 4)]
    assert memory_limit([2, 4], peaks, 2, 5 + 3 * 10**2) == pytest.approx(10)
    assert memory_limit([2, 4], [7, 7], 1, 100) is None
    assert memory_limit([2, 4], [7, 9], 0, 100) is None


def test_the_page_has_each_axis(tmp_path, capfd):
    search = measure_search(10)
    step = {
        **dict.fromkeys(("wall_seconds", "cpu_seconds", "peak_bytes"), 1.0),
        **{"flops": 2.0, "least_bytes": 3.0},
    }
    points = {
        **{name: {"8": step, "16": step} for name in META_STEP},
        "num_candidates": {"10": search},
    }
    found = {"base": BASE, "points": points, **environment()}
    write_page(tmp_path / "growth.md", found)
    text = (tmp_path / "growth.md").read_text()
    assert all(axis.symbol in text for axis in META_STEP.values())
    spent = search["parts"]["ranking"]["cpu_seconds"]
    assert spent > 0
    assert f"{spent:.3g}" in text
    for name in ("growth_meta_step", "growth_search_dark"):
        assert (tmp_path / "images" / f"{name}.png").exists()
