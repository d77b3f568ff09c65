"""The networks of NAS-Bench-201's cells, built one by one or one graph of all.

Forms are those of `cells.network` but for one activation, which always is
before the global pooling here.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells import search_networks
from gtn_tf.search_spaces.cells.network import KerasAssembler
from gtn_tf.search_spaces.cells.structure import NetworkSize
from gtn_tf.search_spaces.nb201.assembly import CellAssembler
from gtn_tf.search_spaces.nb201.genotypes import (
    EDGES,
    GRAPH_KINDS,
    NODES_OF_GRAPH,
    OPS,
    Genotype,
    canonical,
    graph,
)
from gtn_tf.search_spaces.nb201.interpreter import CellInterpreter
from gtn_tf.search_spaces.nb201.structure import assemble
from gtn_tf.search_spaces.protocol import (
    Assemble,
    Interpreter,
    NetworkSpec,
    SharedWeights,
)

#: Form of a `NetworkSpec` -> how its layers are made.
FORMS = {
    name: dataclasses.replace(spec, activates_output=True)
    for name, spec in search_networks.FORMS.items()
}


def build(genotype: Genotype, network: NetworkSpec) -> keras.Model:
    """Builds a network: [B, H, W, C] images -> [B, K] logits.

    Raises:
      InputError: N < 1 or C < 1.
    """
    spec = _layers(network)
    size = NetworkSize(*network[:4])
    images = keras.Input(network.image_shape, dtype=spec.variable_dtype)
    logits = assemble(genotype, size, images, KerasAssembler(spec))
    name = "nb201_" + "".join(str(OPS.index(op)) for op in genotype)
    return keras.Model(images, logits, name=name)


def interpret(network: NetworkSpec) -> Interpreter:
    """Traces one graph for all genotypes."""
    interpreter = CellInterpreter(NetworkSize(*network[:4]), _layers(network))

    @tf.function(autograph=False)
    def draw(seed: tf.Tensor, ops: tf.Tensor) -> tuple:
        return interpreter.init_ops(ops, seed)

    def init(seed: tf.Tensor, genotype: Genotype) -> tuple:
        ops = [OPS.index(op) for op in canonical(genotype)]
        return draw(seed, tf.constant(ops, tf.int32))

    init(root_seed(0), (OPS[0],) * 6)  # traces, for all
    return Interpreter(init, interpreter.apply)


def assembler(network: NetworkSpec) -> Assemble:
    """Returns what assembles networks of traced pieces."""
    made = CellAssembler(NetworkSize(*network[:4]), _layers(network))
    return lambda genotype: made.assemble(canonical(genotype))


def share(network: NetworkSpec) -> SharedWeights:
    """Makes one network whose weights all genotypes share.

    Each has weights of its own for every cell, edge and operation.
    """
    interpreter = CellInterpreter(NetworkSize(*network[:4]), _layers(network))

    def encode(genotype: Genotype) -> list[tf.Tensor]:
        ops = [OPS.index(op) for op in canonical(genotype)]
        return [tf.constant(ops, tf.int32)]

    def derive(shares: np.ndarray) -> Genotype:
        # As DARTS does, whose `none` takes the largest share.
        alive = shares.copy()
        alive[:, OPS.index("none")] = -1.0
        return tuple(OPS[op] for op in alive.argmax(1))

    def graphs(genotype: Genotype) -> tuple[np.ndarray, np.ndarray]:
        kinds, links = graph(genotype)
        return kinds[None], links[None]

    return SharedWeights(
        interpreter.init_all,
        encode,
        lambda encoded: interpreter.rows(*encoded),
        interpreter.apply,
        num_mixed=(len(EDGES), len(OPS)),
        mix=interpreter.mix,
        derive=derive,
        layouts=interpreter.layouts(),
        num_kinds=len(GRAPH_KINDS),
        weight_nodes=[NODES_OF_GRAPH.index(edge) for edge in EDGES],
        graphs=graphs,
    )


def _layers(network: NetworkSpec) -> LayerSpec:
    return dataclasses.replace(FORMS[network.form], dtype=network.dtype)
