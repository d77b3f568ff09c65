"""NAS-Bench-201's cells: rows of the table, counts, networks, interpreter."""

import itertools
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.layers.spec import LayerSpec
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells.network import KerasAssembler
from gtn_tf.search_spaces.cells.structure import NetworkSize
from gtn_tf.search_spaces.nb201.genotypes import OPS
from gtn_tf.search_spaces.nb201.interpreter import CellInterpreter
from gtn_tf.search_spaces.nb201.space import NB201
from gtn_tf.search_spaces.nb201.structure import assemble
from gtn_tf.search_spaces.protocol import NetworkSpec
from gtn_tf.search_spaces.registry import make_space
from gtn_tf.types import InputError
from tests.helpers import nb201, tiny
from tests.helpers.central_differences import (
    assert_gradient_matches,
    normal,
    second_order_scalar,
)
from tests.helpers.recorded_layers import Recorder

SPACE = NB201()
PUBLISHED = NetworkSpec(5, 16, (32, 32, 3), 10)
BEST = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
)
SMOOTH = LayerSpec(
    normalization="batch", activation=tf.nn.softplus, dtype="float64"
)
SIZE = NetworkSize(1, 2, (8, 8, 1), 3)


def test_15625_genotypes_are_9445_functions():
    """Class sizes: Appendix of the table; its rows are canonical."""
    classes = Counter(
        SPACE.canonical(cell) for cell in itertools.product(OPS, repeat=6)
    )
    assert Counter(classes.values()) == {1: 9280, 29: 160, 341: 5}
    found = nb201.accuracies()
    assert set(found) == set(classes)
    assert SPACE.to_text(max(found, key=found.get)) == BEST
    for row in nb201.excerpt():
        cell = SPACE.from_text(row["net"])
        assert found[cell] == float(row["val_accs"])
    assert len({SPACE.key(cell) for cell in found}) == 9445


def test_parameters_and_flops_are_the_published_ones():
    for row in nb201.excerpt():
        cell = SPACE.from_text(row["net"])
        cost = SPACE.cost(cell, PUBLISHED)
        assert cost.params == round(1e6 * float(row["params"]))
        # Published ones add pools, normalisation and the residual blocks'.
        num_pools = cell.count("avg_pool_3x3")
        num_convs = sum(op.startswith("nor_conv") for op in cell)
        others = 160832 + 430080 * (num_convs + 3 * num_pools)
        flops = 1e6 * float(row["flops"])  # 8 digits
        assert cost.multiply_adds + others == pytest.approx(flops, abs=5.1)


def test_text_round_trip_and_what_is_no_cell():
    for seed in range(20):
        cell = SPACE.sample((0, seed))
        assert SPACE.from_text(SPACE.to_text(cell)) == cell
        assert SPACE.decode(SPACE.encode(cell)) == cell
    for text in ("", BEST[:-1], BEST.replace("3x3", "5x5"), "(4,0,3,1,4,5)"):
        with pytest.raises(InputError, match="skip_connect~0") as caught:
            SPACE.from_text(text)
        assert caught.match(tiny.ONE_LINE)


def test_mutations_and_neighbours():
    parent = SPACE.from_text(BEST)
    found = Counter(SPACE.mutate(parent, (3, number)) for number in range(2400))
    assert len(found) == 24
    for cell, number in found.items():
        assert sum(a != b for a, b in zip(cell, parent, strict=True)) == 1
        assert 60 < number < 145  # 100 expected, standard deviation 9.8
    neighbours = list(SPACE.neighbours(parent))
    assert len(neighbours) == 24
    assert set(neighbours) == set(found)


def test_samples_are_uniform():
    cells = [SPACE.sample((1, number)) for number in range(2000)]
    for edge in range(6):
        counts = Counter(cell[edge] for cell in cells)
        assert sum((n - 400) ** 2 / 400 for n in counts.values()) < 23.5


@pytest.mark.parametrize(
    ("form", "layer"),
    [("search", "gtn_tf"), ("training", "keras"), ("plain", "gtn_tf")],
)
def test_a_network_has_the_layers_of_its_form(form, layer):
    cell = SPACE.from_text(BEST)
    network = NetworkSpec(2, 4, (7, 7, 3), 5, form)
    model = SPACE.build(cell, network)
    assert model.output_shape == (None, 5)
    names = [type(each) for each in model.layers]
    assert {n.__module__.split(".")[0] for n in names if "Batch" in n.__name__}
    normalizations = [n for n in names if "Normalization" in n.__name__]
    assert {n.__module__.split(".")[0] for n in normalizations} == {layer}
    if form == "training":
        assert (
            model.count_params()
            - sum(int(np.prod(v.shape)) for v in model.non_trainable_variables)
            == SPACE.cost(cell, network).params
        )


def test_dead_cells_have_constant_logits_and_no_cell_none():
    network = NetworkSpec(1, 2, (8, 8, 1), 3, "training")
    dead = ("none",) * 6
    model = SPACE.build(dead, network)
    images = tf.constant(normal(0, 4, 8, 8, 1), tf.float32)
    logits = model(images, training=False).numpy()
    np.testing.assert_array_equal(logits, logits[:1].repeat(4, 0))
    for size in ((0, 2), (1, 0)):
        with pytest.raises(InputError, match="N >= 1 and C >= 1") as caught:
            SPACE.build(dead, NetworkSpec(*size, (8, 8, 1), 3))
        assert caught.match(tiny.ONE_LINE)


def rebuilt(interpreter, cell, params):
    """Returns the cell's own network with the interpreter's weights."""
    recorder = Recorder(SMOOTH)
    images = keras.Input(SIZE.image_shape, dtype="float64")
    logits = assemble(cell, SIZE, images, recorder)
    recorded, params = iter(recorder.layers), iter(params)

    def assign(block, values):
        values = iter(values)
        made = [layer for layer in block.model.layers if layer.weights]
        targets = [next(recorded) for _ in made]
        for layer in made:
            shapes = [v.shape for v in layer.trainable_variables]
            # In a residual block shapes tell, or else the order.
            target = next(
                t
                for t in targets
                if [v.shape for v in t.trainable_variables] == shapes
            )
            targets.remove(target)
            for variable in target.trainable_variables:
                variable.assign(next(values))

    for piece in interpreter._pieces:
        if hasattr(piece, "apply") and hasattr(piece, "model"):
            assign(piece, [next(params) for _ in range(piece.num_params)])
            continue
        flat = next(params).numpy()
        for row, op in zip(flat, cell, strict=True):
            block, values = piece.blocks[OPS.index(op)], []
            for variable in block.model.trainable_variables:
                number = int(np.prod(variable.shape))
                values.append(row[:number].reshape(variable.shape))
                row = row[number:]
            assign(block, values)
    assert next(params, None) is None
    assert next(recorded, None) is None
    return keras.Model(images, logits)


@pytest.fixture(scope="module")
def interpreter():
    return CellInterpreter(SIZE, SMOOTH)


@pytest.fixture(scope="module")
def run(interpreter):
    """Logits and gradients of one pass: traced once for all cells."""

    @tf.function(autograph=False)
    def step(ops, images, labels):
        params, statistics = interpreter.init_ops(ops, root_seed(3))
        with tf.GradientTape() as tape:
            tape.watch([*params, images])
            logits, after = interpreter.apply(params, statistics, images, True)
            scalar = tf.reduce_sum(labels * tf.nn.log_softmax(logits))
        gradients = tape.gradient(
            scalar,
            [*params, images],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return params, logits, gradients, after

    return step


@pytest.mark.parametrize("number", range(4))
def test_interpreter_equals_the_built_network(number, interpreter, run):
    cell = SPACE.canonical(
        (SPACE.from_text(BEST), *(SPACE.sample((8, i)) for i in range(3)))[
            number
        ]
    )
    images = tf.constant(normal(0, 5, *SIZE.image_shape))
    labels = tf.constant(normal(1, 5, SIZE.num_classes))
    ops = tf.constant(SPACE.encode(cell), tf.int32)
    params, logits, gradients, after = run(ops, images, labels)
    np.testing.assert_array_equal(after[0], ops)
    model = rebuilt(interpreter, cell, params)
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


def test_second_order_matches_central_differences():
    """Of a built network with all five operations."""
    from gtn_tf.learners.functional import as_learner

    cell = (*OPS[1:3], *OPS[3:], "none", "skip_connect")
    size = NetworkSize(1, 2, (4, 4, 1), 2)
    images = keras.Input(size.image_shape, dtype="float64")
    logits = assemble(cell, size, images, KerasAssembler(SMOOTH))
    learner = as_learner("nb201", keras.Model(images, logits))
    params, statistics = learner.init(root_seed(3))
    scalar = second_order_scalar(learner.apply, statistics, 0)
    given = [normal(seed, 3, *size.image_shape) for seed in (1, 2)]
    assert_gradient_matches(scalar, [*params, *given], 0)


def test_it_is_registered():
    assert isinstance(make_space("nb201", 5, ("identity",)), NB201)
