"""Genotypes as lists of integers, as NAO and the official code write them."""

from collections.abc import Sequence

from gtn_tf.search_spaces.cells.genotypes import (
    Cell,
    Edge,
    Genotype,
    loose_ends,
)
from gtn_tf.search_spaces.cells.operations import NAO_OPS
from gtn_tf.types import InputError

#: The first id of the official code's own operations; below are older ones.
_FIRST_GTN_ID = 5


def from_nao(encoding: Sequence[Sequence[int]]) -> Genotype:
    """Reads NAO's encoding: per cell, `x op y op` of each node.

    Args:
      encoding: the normal and the reduction cell's integers. The output
        concatenates the loose ends.

    Raises:
      InputError: not two lists of four integers per node, or an unknown id.
    """
    cells = []
    for numbers in encoding:
        ids = numbers[1::2]
        if len(numbers) % 4 or any(not 0 <= i < len(NAO_OPS) for i in ids):
            raise InputError(
                f"cell encoding {list(numbers)}; expected x, op, y, op per "
                f"node, operation ids 0 to {len(NAO_OPS) - 1}; correct it"
            )
        edges = [
            Edge(i, NAO_OPS[op])
            for i, op in zip(numbers[::2], ids, strict=True)
        ]
        nodes = tuple(zip(edges[::2], edges[1::2], strict=True))
        cells.append(Cell(nodes, loose_ends(nodes)))
    if len(cells) != 2:
        raise InputError(
            f"{len(cells)} cells; expected the normal and the reduction one; "
            "give two lists of integers"
        )
    return Genotype(*cells)


def to_nao(genotype: Genotype) -> list[list[int]]:
    """Returns NAO's encoding; see `from_nao`.

    Raises:
      InputError: it has no id for an operation, or for this concat.
    """
    return [
        _cell_to_nao(cell) for cell in (genotype.normal, genotype.reduction)
    ]


def _cell_to_nao(cell: Cell) -> list[int]:
    if cell.concat != loose_ends(cell.nodes):
        raise InputError(
            f"concat {list(cell.concat)}; NAO's encoding means the loose ends "
            f"{list(loose_ends(cell.nodes))}; keep the genotype as JSON"
        )
    numbers = []
    for edge in cell.edges:
        ids = [i for i, name in enumerate(NAO_OPS) if name == edge.op]
        if not ids:
            raise InputError(
                f"operation '{edge.op}' has no id in NAO's encoding; expected "
                f"one of {', '.join(dict.fromkeys(NAO_OPS))}; keep the "
                "genotype as JSON"
            )
        own = [i for i in ids if i >= _FIRST_GTN_ID]
        numbers += [edge.input, (own or ids)[0]]
    return numbers
