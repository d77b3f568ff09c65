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


def from_nao(encoding: Sequence[Sequence[int]]) -> Genotype:
    """Reads NAO's encoding: per cell, `x op y op` of each node.

    Args:
      encoding: the normal and the reduction cell's integers. The output
        concatenates the loose ends.

    Raises:
      InputError: not two lists of four integers per node, or an unknown id.
    """
    cells = []
    for cell in encoding:
        numbers = cell if isinstance(cell, Sequence) else [cell]
        ids = numbers[1::2]
        if (
            len(numbers) % 4
            or any(type(i) is not int for i in numbers)
            or any(not 0 <= i < len(NAO_OPS) for i in ids)
        ):
            raise InputError(
                f"cell encoding {str(cell)[:60]}; expected x, op, y, op per "
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
