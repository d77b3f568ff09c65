from gtn_tf.search_spaces.cells.genotypes import Cell, Edge, loose_ends


def cell(*nodes, concat=None):
    """cell("conv1x1@0+identity@1", ...)"""
    made = tuple(
        tuple(
            Edge(int(i), op)
            for op, i in (edge.split("@") for edge in node.split("+"))
        )
        for node in nodes
    )
    return Cell(made, loose_ends(made) if concat is None else concat)


PLAIN = cell("conv1x1@0+identity@1")
