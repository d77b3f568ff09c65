"""A cell of all operations at once, as DARTS trains it (arXiv 1806.09055).

Every node reads every earlier state, by every operation, added by shares; a
place is a node and a state that it reads. All cells of a kind have the same
shares. The output concatenates the nodes (section 2.1).

* Of a genotype each node keeps the two states that it reads with the largest
  share, by the operation of that share (section 2.4); loose ends are
  concatenated, as in all genotypes of a space.
* Weights are those of each node's first edge; the second's stay as drawn.
"""

import numpy as np
import tensorflow as tf

from gtn_tf.search_spaces.cells.encoded_genotype import EncodedGenotype
from gtn_tf.search_spaces.cells.genotypes import (
    NUM_INPUTS,
    Cell,
    Edge,
    Genotype,
    loose_ends,
)
from gtn_tf.search_spaces.cells.interpreted_edge import Tensors
from gtn_tf.search_spaces.cells.interpreter import (
    CellInterpreter,
    CellPlan,
    Run,
)
from gtn_tf.search_spaces.cells.space import SearchSpace


def num_states(space: SearchSpace) -> list[int]:
    """Returns how many states each node may read, [nodes]."""
    return [NUM_INPUTS + node for node in range(space.num_nodes)]


def mixed_genotype(space: SearchSpace) -> EncodedGenotype:
    """Returns a genotype whose nodes are all concatenated, no input."""
    edges = tf.zeros((2, space.num_nodes, 2), tf.int32)
    concat = [False] * NUM_INPUTS + [True] * space.num_nodes
    return EncodedGenotype(edges, edges, tf.constant([concat, concat]))


def mix(
    network: CellInterpreter,
    params: Tensors,
    statistics: Tensors,
    shares: tf.Tensor,
    images: tf.Tensor,
) -> tf.Tensor:
    """Returns logits; see `SharedWeights.mix`.

    Args:
      network: of the space.
      params: of all genotypes.
      statistics: of `mixed_genotype`, without what is encoded.
      shares: [places, operations], those of the normal cell first.
      images: [B, H, W, C].
    """
    of_kinds = [
        tf.split(of_kind, num_states(network.space))
        for of_kind in tf.split(shares, 2)
    ]
    run = Run(params, statistics, training=True)
    before = last = run.block(network.stem, images)
    for cell in network.cells:
        outputs = _mix_cell(run, cell, of_kinds[cell.kind], before, last)
        before, last = last, outputs
    return run.block(network.classifier, last)


def derive(shares: np.ndarray, space: SearchSpace) -> Genotype:
    """Returns the genotype that shares stand for; see `SharedWeights`."""
    places = np.cumsum(num_states(space))[:-1]
    cells = []
    for of_cell in np.split(shares, 2):
        nodes = []
        for of_node in np.split(of_cell, places):
            # Stable: of equal shares the first state's.
            best = np.argsort(-of_node.max(1), kind="stable")[:2]
            nodes.append(
                tuple(
                    Edge(int(state), space.ops[of_node[state].argmax()])
                    for state in sorted(best)
                )
            )
        cells.append(Cell(tuple(nodes), loose_ends(nodes)))
    return Genotype(*cells)


def _mix_cell(
    run: Run,
    cell: CellPlan,
    shares: Tensors,
    before: tf.Tensor,
    last: tf.Tensor,
) -> tf.Tensor:
    states, reduced = run.inputs(cell, before, last)
    params, statistics = run.edges()
    num_ops = cell.edge.num_ops
    # Rows of each node's two edges: by state, then by operation.
    sizes = [num_ops * of_node.shape[0] for of_node in shares]
    of_edges = tf.split(params, np.repeat(sizes, 2))
    no_statistics = statistics[0]
    for of_node, rows in zip(shares, of_edges[::2], strict=True):
        rows = tf.unstack(rows)
        terms = []
        for state, inputs in enumerate(states[: of_node.shape[0]]):
            for op in range(num_ops):
                outputs = cell.edge.run_op(
                    cell.edge.position(op, state),
                    rows[state * num_ops + op],
                    no_statistics,
                    inputs,
                )
                terms.append(of_node[state, op] * outputs)
        states.append(tf.add_n(terms))
    inputs = reduced if cell.reducers else states[:NUM_INPUTS]
    return tf.concat([*inputs, *states[NUM_INPUTS:]], -1)
