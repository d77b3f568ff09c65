"""The networks that a search builds of the cell space's genotypes."""

import dataclasses

import keras
import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells import shared_weights
from gtn_tf.search_spaces.cells.assembly import CellAssembler
from gtn_tf.search_spaces.cells.encoded_genotype import (
    EncodedGenotype,
    draw_genotype,
    encode,
)
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.interpreter import CellInterpreter
from gtn_tf.search_spaces.cells.network import FORMS as NETWORK_FORMS
from gtn_tf.search_spaces.cells.network import build_cell_network
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.cells.structure import NetworkSize
from gtn_tf.search_spaces.protocol import (
    Assemble,
    Interpreter,
    NetworkSpec,
    SharedWeights,
)

#: Form of a `NetworkSpec` -> how its layers are made.
FORMS = NETWORK_FORMS | {
    # Published proxies are of plain weights; those of a direction have a
    # gradient across it only.
    "plain": dataclasses.replace(NETWORK_FORMS["search"], weight_norm=False),
}


def build(genotype: Genotype, network: NetworkSpec) -> keras.Model:
    """Builds a genotype's network in the form that is asked for."""
    return build_cell_network(genotype, *network[:4], _layers(network))


def interpret(space: SearchSpace, network: NetworkSpec) -> Interpreter:
    """Traces one graph for all genotypes of the space."""
    interpreter = CellInterpreter(space, *network[:4], _layers(network))

    @tf.function(autograph=False)
    def init(seed: tf.Tensor, genotype: EncodedGenotype) -> tuple:
        return interpreter.init_genotype(genotype, seed)

    seed = root_seed(0)
    init(seed, draw_genotype(space, seed))  # traces, for all
    return Interpreter(
        lambda seed, genotype: init(seed, encode(genotype, space)),
        interpreter.apply,
    )


def share(space: SearchSpace, network: NetworkSpec) -> SharedWeights:
    """Makes one network whose weights all genotypes share."""
    return shared_weights.share(space, network, _layers(network))


def assembler(space: SearchSpace, network: NetworkSpec) -> Assemble:
    """Returns what assembles networks of traced pieces."""
    size = NetworkSize(*network[:4])
    made = CellAssembler(space.num_nodes, size, _layers(network))

    def assemble(genotype: Genotype) -> tuple:
        encode(genotype, space)  # refuses what is not of the space
        return made.assemble(genotype)

    return assemble


def _layers(network: NetworkSpec) -> LayerSpec:
    return dataclasses.replace(FORMS[network.form], dtype=network.dtype)
