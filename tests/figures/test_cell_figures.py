import functools
import itertools

import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.transforms import Affine2D
from PIL import Image

from gtn_tf.figures import cells as cell_figures
from gtn_tf.search_spaces.cells.genotypes import Cell, Genotype
from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.search_spaces.cells.published_genotypes import published
from gtn_tf.search_spaces.cells.space import SearchSpace

#: Node 3 and the input 0 do not reach the output.
_DEAD = Cell(
    (
        ((1, "sep3x3"), (1, "sep3x3")),
        ((2, "avg3x3_unpadded"), (0, "max5x5")),
        ((2, "conv1x7_7x1"), (2, "dil_sep5x5")),
    ),
    (4,),
)
_NO_NODES = Cell((), (0, 1))
_SPACE = SearchSpace(8, tuple(OPS))
_CELLS = {
    "dead": _DEAD,
    "no nodes": _NO_NODES,
    **{
        f"{name} {kind}": getattr(found.genotype, kind)
        for name, found in published().items()
        for kind in ("normal", "reduction")
    },
    **{f"random {seed}": _SPACE.sample((0, seed)).normal for seed in range(4)},
}


class _Drawn:
    """What a figure shows, found by place: boxes, names and arrows.

    Places are in points; y grows upwards.
    """

    def __init__(self, figure):
        figure.draw_without_rendering()
        (axes,) = figure.axes
        points = Affine2D().scale(72 / figure.dpi)
        self._to_points = axes.transData + points
        self.boxes = {}  # label -> (patch, place, text)
        self.names = {}  # text -> place
        self.arrows = [
            a for a in axes.patches if isinstance(a, FancyArrowPatch)
        ]
        boxes = [p for p in axes.patches if isinstance(p, FancyBboxPatch)]
        for text in axes.texts:
            place = points.transform_bbox(text.get_window_extent())
            for box in boxes:
                around = points.transform_bbox(box.get_window_extent())
                if around.fully_contains(*place.p0):
                    assert text.get_text() not in self.boxes
                    self.boxes[text.get_text()] = (box, around, text)
                    break
            else:
                self.names[text] = place
        assert len(self.boxes) == len(boxes)

    def line(self, arrow):
        """Points along an arrow; the last one is its tip."""
        path = self._to_points.transform_path(arrow.get_path())
        shaft, *_, head = path.to_polygons(closed_only=False)
        fine = [np.linspace(a, b, 20) for a, b in itertools.pairwise(shaft)]
        return np.concatenate([*fine, [head[head[:, 0].argmax()]]])

    def ends(self, arrow):
        """The labels of the boxes that an arrow leads from and to."""
        begin, *_, tip = self.line(arrow)
        found = [
            label
            for (x, y), side in ((begin, "x1"), (tip, "x0"))
            for label, (_, place, _) in self.boxes.items()
            if abs(getattr(place, side) - x) < 2 and place.y0 <= y <= place.y1
        ]
        assert len(found) == 2, found
        return tuple(found)

    def name(self, arrow):
        """The name over the level end of an arrow, None where is none."""
        x, y = np.transpose(self.line(arrow))
        level = max([x[0], *x[np.abs(y - y[-1]) > 0.01]])
        found = [
            text
            for text, place in self.names.items()
            if level < place.x0 < place.x1 < x[-1] and 0 < place.y0 - y[-1] < 6
        ]
        assert len(found) <= 1
        return found[0] if found else None


@functools.cache
def _drawn(cell):
    return _Drawn(cell_figures.cell(cell, "title"))


def _label(cell, state):
    if state < 2:
        return ("c[k-2]", "c[k-1]")[state]
    return "output" if state == len(cell.nodes) + 2 else str(state)


@pytest.mark.parametrize("cell", _CELLS.values(), ids=_CELLS)
def test_every_edge_is_drawn_once(cell):
    drawn = _drawn(cell)
    output = len(cell.nodes) + 2
    assert {*drawn.boxes} == {_label(cell, s) for s in range(output + 1)}
    expected = [
        (_label(cell, edge.input), edge.op, _label(cell, state))
        for state, node in enumerate(cell.nodes, start=2)
        for edge in node
    ]
    expected += [(_label(cell, s), None, "output") for s in cell.concat]
    found, used = [], []
    for arrow in drawn.arrows:
        begin, end = drawn.ends(arrow)
        name = drawn.name(arrow)
        used += [name] if name else []
        found.append((begin, name and name.get_text(), end))
    assert sorted(found, key=str) == sorted(expected, key=str)
    # Each name belongs to one arrow; the title to none.
    assert len({*used}) == len(used) == len(drawn.names) - 1


@pytest.mark.parametrize("cell", _CELLS.values(), ids=_CELLS)
def test_nothing_stands_on_a_name(cell):
    drawn = _drawn(cell)
    names = list(drawn.names.values())
    boxes = [place for _, place, _ in drawn.boxes.values()]
    for one, other in itertools.combinations([*names, *boxes], 2):
        assert not one.overlaps(other)
    for arrow in drawn.arrows:
        line = drawn.line(arrow)
        for place in names:
            assert not _is_crossed(place.padded(-1, 0), line)
        for place in boxes:
            assert not _is_crossed(place.padded(-1, 0), line)


def _is_crossed(place, line):
    return ((line > place.p0) & (line < place.p1)).all(1).any()


def test_what_does_not_reach_the_output_is_pale():
    drawn = _drawn(_DEAD)
    pale = {"3", "c[k-2]"}
    for label, (box, _, text) in drawn.boxes.items():
        assert ((box.get_alpha() or 1) < 0.5) == (label in pale)
        assert ((text.get_alpha() or 1) < 0.5) == (label in pale)
    of_dead = [a for a in drawn.arrows if drawn.ends(a)[1] == "3"]
    assert len(of_dead) == 2
    for arrow in drawn.arrows:
        is_pale = arrow in of_dead
        assert (arrow.get_alpha() < 0.5) == is_pale
        name = drawn.name(arrow)
        if name:
            assert (name.get_alpha() < 0.5) == is_pale


def test_both_cells_side_by_side(tmp_path):
    genotype = Genotype(_DEAD, _NO_NODES)
    path = tmp_path / "selected.png"
    cell_figures.save_cells(path, genotype)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image.convert("L")))) > 20
    (axes,) = cell_figures.cells(genotype).axes
    at = {text.get_text(): text.get_position() for text in axes.texts}
    assert at["normal cell"][0] < at["3"][0] < at["reduction cell"][0]
    output = [t for t in axes.texts if t.get_text() == "output"]
    assert len(output) == 2
    assert at["reduction cell"][0] < output[-1].get_position()[0]
