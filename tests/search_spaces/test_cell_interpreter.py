"""The interpreter against individually built networks of its genotypes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells import structure as cell_structure
from gtn_tf.search_spaces.cells.encoded_genotype import draw_genotype, encode
from gtn_tf.search_spaces.cells.genotypes import (
    Cell,
    Edge,
    Genotype,
    loose_ends,
)
from gtn_tf.search_spaces.cells.interpreter import CellInterpreter
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.cells.structure import NUM_INPUTS, NetworkSize
from gtn_tf.types import InputError
from tests.helpers.central_differences import (
    assert_gradient_matches,
    normal,
    second_order_scalar,
)
from tests.helpers.recorded_layers import Recorder

OPS = ("identity", "conv1x3_3x1", "max3x3", "sep3x3")
SPACE = SearchSpace(2, OPS)
#: N, F, (H, W, C), K.
SIZE = (1, 2, (8, 8, 1), 3)
# An activation with f(0) != 0: masked channels must stay hidden behind it.
SMOOTH = LayerSpec(
    normalization="batch", activation=tf.nn.softplus, dtype="float64"
)


def rebuilt(interpreter, genotype, params, statistics):
    """Returns the genotype's own network with the interpreter's weights."""
    num_cells, channels, image_shape, num_classes = SIZE
    recorder = Recorder(SMOOTH)
    images = keras.Input(image_shape, dtype="float64")
    size = NetworkSize(num_cells, channels, image_shape, num_classes)
    logits = cell_structure.assemble(genotype, size, images, recorder)
    model = keras.Model(images, logits)
    recorded = iter(recorder.layers)

    def assign(piece, values, rows=None):
        """Copies a block's weights, layer by layer."""
        values = iter(values)
        for layer in piece.model.layers:
            variables = layer.trainable_variables
            if not variables:
                continue
            target = next(recorded)
            for variable, found in zip(
                variables, target.trainable_variables, strict=True
            ):
                value = np.asarray(next(values))
                if variable.name == "kernel" and rows is not None:
                    value = np.compress(rows, value, axis=-2)
                found.assign(value)

    params = iter(params)

    def take(block):
        return [next(params) for _ in range(block.num_params)]

    def rows(source):
        if source is None:
            return None
        kind, width = source
        cell = (genotype.normal, genotype.reduction)[kind]
        num_states = NUM_INPUTS + len(cell.nodes)
        return np.repeat([s in cell.concat for s in range(num_states)], width)

    assign(interpreter.stem, take(interpreter.stem))
    for plan in interpreter.cells:
        cell = (genotype.normal, genotype.reduction)[plan.kind]
        calibrations = [take(block) for block in plan.calibrations]
        reducers = [take(block) for block in plan.reducers]
        flat = next(params)
        for state in cell.used_states():
            if state < NUM_INPUTS:
                block = plan.calibrations[state]
                source = plan.source_masks[state]
                assign(block, calibrations[state], rows(source))
                continue
            for side, edge in enumerate(cell.nodes[state - NUM_INPUTS]):
                position = OPS.index(edge.op)
                if plan.kind and edge.input >= NUM_INPUTS:
                    position += len(OPS)
                block = plan.edge.blocks[position]
                row = flat[2 * (state - NUM_INPUTS) + side].numpy()
                values = []
                for variable in block.model.trainable_variables:
                    number = int(np.prod(variable.shape))
                    values.append(row[:number].reshape(variable.shape))
                    row = row[number:]
                assign(block, values)
        for state in cell.concat:
            if state < NUM_INPUTS and plan.kind:
                assign(plan.reducers[state], reducers[state])
    classifier = interpreter.classifier
    assign(classifier, take(classifier), rows(interpreter._last_mask))
    assert next(params, None) is None
    assert next(recorded, None) is None
    return model


def genotype_of(*nodes):
    nodes = tuple(tuple(Edge(i, op) for i, op in node) for node in nodes)
    return Cell(nodes, loose_ends(nodes))


CHAIN = genotype_of(
    [(1, "conv1x3_3x1"), (1, "identity")], [(2, "max3x3"), (2, "sep3x3")]
)
WIDE = genotype_of(
    [(0, "sep3x3"), (1, "max3x3")], [(1, "conv1x3_3x1"), (0, "identity")]
)
GENOTYPES = {
    "chain-wide": Genotype(CHAIN, WIDE),
    "wide-chain": Genotype(WIDE, CHAIN),
    "concatenated input": Genotype(
        Cell(WIDE.nodes, (0, 3)), Cell(CHAIN.nodes, (1, 2, 3))
    ),
}


@pytest.fixture(scope="module")
def interpreter():
    return CellInterpreter(SPACE, *SIZE, SMOOTH)


@pytest.fixture(scope="module")
def run(interpreter):
    """Logits, statistics and gradient of one pass: traced once for all."""

    @tf.function(autograph=False)
    def init(genotype):
        return interpreter.init_genotype(genotype, root_seed(3))

    @tf.function(autograph=False)
    def step(params, statistics, images, labels):
        with tf.GradientTape() as tape:
            tape.watch([*params, images])
            logits, after = interpreter.apply(params, statistics, images, True)
            scalar = tf.reduce_sum(labels * tf.nn.log_softmax(logits))
        gradients = tape.gradient(
            scalar,
            [*params, images],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return logits, gradients, after

    return init, step


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("chain-wide", marks=pytest.mark.slow),
        pytest.param("wide-chain", marks=pytest.mark.slow),
        "concatenated input",
    ],
)
def test_equals_the_built_network(name, interpreter, run):
    genotype = GENOTYPES[name]
    init, step = run
    params, statistics = init(encode(genotype, SPACE))
    images = tf.constant(normal(0, 5, *SIZE[2]))
    labels = tf.constant(normal(1, 5, SIZE[3]))
    logits, gradients, _ = step(params, statistics, images, labels)
    model = rebuilt(interpreter, genotype, params, statistics)
    with tf.GradientTape() as tape:
        tape.watch(images)
        expected = model(images, training=True)
        scalar = tf.reduce_sum(labels * tf.nn.log_softmax(expected))
    to_params, to_images = tape.gradient(
        scalar, (model.trainable_variables, images)
    )
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gradients[-1], to_images, rtol=1e-8, atol=1e-9)
    # Every weight has its gradient: the sums of squares are equal.
    ours = sum(float(np.sum(np.square(g))) for g in gradients[:-1])
    theirs = sum(float(np.sum(np.square(g))) for g in to_params)
    assert ours == pytest.approx(theirs, rel=1e-8)
    assert theirs > 0


def test_unused_weights_and_masked_rows_stay_zero(interpreter, run):
    init, step = run
    params, statistics = init(encode(GENOTYPES["chain-wide"], SPACE))
    images = tf.constant(normal(0, 5, *SIZE[2]))
    labels = tf.constant(normal(1, 5, SIZE[3]))
    _, gradients, _ = step(params, statistics, images, labels)
    num_zero = 0
    for value, gradient in zip(params, gradients, strict=False):
        unused = value.numpy() == 0
        # Biases and betas start at zero, but are vectors per channel.
        if value.shape.rank == 4 and unused.any():
            num_zero += unused.sum()
            assert np.all(gradient.numpy()[unused] == 0)
    assert num_zero > 0


def test_drawn_genotype_is_in_the_space_and_uniform():
    space = SearchSpace(3, OPS)
    draw = tf.function(lambda seed: draw_genotype(space, seed), autograph=False)
    drawn = [draw(tf.constant([7, i])) for i in range(600)]
    inputs = np.array([d.inputs for d in drawn])
    ops = np.array([d.ops for d in drawn])
    for node in range(3):
        counts = np.bincount(inputs[:, :, node].ravel())
        assert len(counts) == node + 2
        expected = 2400 / (node + 2)
        assert np.sum((counts - expected) ** 2) / expected < 23.5
    counts = np.bincount(ops.ravel())
    assert len(counts) == 4
    assert np.sum((counts - 1800) ** 2) / 1800 < 21.1
    for encoded in drawn[:20]:
        for kind in range(2):
            used = set(encoded.inputs[kind].numpy().ravel())
            loose = [s for s in range(5) if s not in used]
            assert np.flatnonzero(encoded.concat[kind]).tolist() == loose


def test_encoding_refuses_genotypes_outside_the_space():
    other = genotype_of([(0, "conv1x1"), (1, "identity")])
    with pytest.raises(InputError, match="expected 2 nodes with identity"):
        encode(Genotype(CHAIN, other), SPACE)


@pytest.mark.slow
def test_second_order_matches_central_differences():
    space = SearchSpace(1, ("conv1x1", "max2x2"))
    tiny = CellInterpreter(space, 0, 2, (4, 4, 1), 2, SMOOTH)
    cells = [
        genotype_of([(0, "conv1x1"), (1, "max2x2")]),
        genotype_of([(1, "conv1x1"), (1, "conv1x1")]),
    ]
    params, statistics = tiny.init_genotype(
        encode(Genotype(*cells), space), root_seed(3)
    )
    scalar = second_order_scalar(tiny.apply, statistics, 0)
    images = [normal(seed, 3, 4, 4, 1) for seed in (1, 2)]
    assert_gradient_matches(scalar, [*params, *images], 0)
