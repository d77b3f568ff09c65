"""Cell networks: structure, quirks, cost, second order."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.layers import twice_differentiable
from gtn_tf.layers.spec import LayerSpec
from gtn_tf.learners.functional import from_keras
from gtn_tf.learners.second_order import swap_second_order
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.meta.meta_gradient import meta_gradient
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells.cost import cell_network_cost
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.network import (
    FORMS,
    KerasAssembler,
    build_cell_network,
)
from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.search_spaces.cells.published_genotypes import published_genotype
from gtn_tf.search_spaces.cells.structure import (
    NetworkSize,
    apply_op,
    factorized_reduction,
    plan_cells,
)
from gtn_tf.types import Batch, InputError
from tests.helpers.central_differences import (
    assert_gradient_matches,
    normal,
    second_order_scalar,
)
from tests.helpers.float_tolerance import assert_close
from tests.helpers.genotypes import cell
from tests.helpers.teachers import make_teacher

SMOOTH = LayerSpec(
    normalization="batch", activation=tf.nn.softplus, dtype="float64"
)


def four_ops(a, b, c, d):
    """A reduction cell with each operation once at stride 2, once at 1."""
    return cell(f"{a}@0+{b}@1", f"{c}@1+{d}@0", f"{a}@2+{b}@3", f"{c}@3+{d}@2")


#: All operations, four at a time.
CELLS = {
    "convolutions": four_ops(
        "conv1x1", "conv3x3", "conv1x3_3x1", "conv1x7_7x1"
    ),
    "max": four_ops("max2x2", "max3x3", "max5x5", "identity"),
    "avg": four_ops("avg2x2", "avg3x3", "avg5x5", "avg3x3_unpadded"),
    "separable": four_ops("sep3x3", "sep5x5", "sep7x7", "dil_sep3x3"),
    "dilated": four_ops("dil_sep5x5", "dil_sep3x3", "identity", "conv1x1"),
}
#: N=0: nothing but the two reductions.
SIZE = {
    "num_cells": 0,
    "channels": 3,
    "image_shape": (8, 8, 1),
    "num_classes": 3,
}


def build(name, spec=FORMS["search"], **size):
    return build_cell_network(
        Genotype(CELLS[name], CELLS[name]), **{**SIZE, **size}, spec=spec
    )


def apply(function, images, spec=FORMS["search"]):
    """Applies function(keras tensor, assembler) to [B, H, W, C]."""
    inputs = keras.Input(images.shape[1:])
    model = keras.Model(inputs, function(inputs, KerasAssembler(spec)))
    return model(images).numpy(), model


def test_every_operation_is_covered_here():
    covered = {edge.op for found in CELLS.values() for edge in found.edges}
    assert covered == set(OPS)


def test_plan_of_cells():
    assert plan_cells(NetworkSize(1, 4, (8, 8, 1), 10)) == [
        (False, 4),
        (True, 8),
        (False, 8),
        (True, 16),
        (False, 16),
    ]
    # 20 cells, reductions at a third and two thirds.
    plan = plan_cells(NetworkSize(6, 36, (32, 32, 3), 10))
    assert len(plan) == 20
    assert [i for i, (is_reduction, _) in enumerate(plan) if is_reduction] == [
        6,
        13,
    ]


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "name", [name for name in OPS if name[:3] in ("max", "avg")]
)
def test_pools_equal_loops(name, stride, size):
    images = np.random.default_rng(0).normal(size=(2, size, size, 1)) - 3.0
    op, pixels = OPS[name], int(name[3])
    found, _ = apply(
        lambda x, make: apply_op(op, x, stride, make),
        images.astype(np.float32),
    )
    num = -(-size // stride)
    before = (pixels - 1) // 2
    if name == "avg3x3_unpadded":  # TensorFlow's "same"
        before = max((num - 1) * stride + pixels - size, 0) // 2
    expected = np.zeros((2, num, num, 1))
    for row, column in np.ndindex(num, num):
        y, x = row * stride - before, column * stride - before
        inside = images[
            :, max(y, 0) : y + pixels, max(x, 0) : x + pixels, 0
        ].reshape(2, -1)
        if op.kind == "max":
            value = inside.max(1)
        elif op.counts_padding:
            value = inside.sum(1) / pixels**2
        else:
            value = inside.mean(1)
        expected[:, row, column, 0] = value
    assert_close(found, expected, pixels**2)


@pytest.mark.parametrize("size", [4, 5])
def test_factorized_reduction_sees_even_and_odd_pixels(size):
    images = np.random.default_rng(0).normal(size=(2, size, size, 3))
    images = images.astype(np.float32)
    found, model = apply(
        lambda x, make: factorized_reduction(x, 5, make),
        images,
        LayerSpec(weight_norm=False, normalization="none"),
    )
    (even, _), (odd, _) = (
        layer.get_weights()
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    )
    assert even.shape[-1] == 2
    assert odd.shape[-1] == 3
    shifted = np.pad(images[:, 1:, 1:], ((0, 0), (0, 1), (0, 1), (0, 0)))
    expected = [
        images[:, ::2, ::2] @ even[0, 0],
        shifted[:, ::2, ::2] @ odd[0, 0],
    ]
    # Of 3 channels, in both.
    assert_close(found, np.concatenate(expected, -1), num_roundings=2 * 3)


def test_identity_changes_nothing_at_stride_1():
    images = normal(0, 2, 4, 4, 3).astype(np.float32)
    found, model = apply(
        lambda x, make: apply_op(OPS["identity"], x, 1, make), images
    )
    np.testing.assert_array_equal(found, images)
    assert not model.weights


def layer_names(model):
    return [
        type(layer).__name__
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv3x3", ["Activation", "WeightNormConv2D", "BatchNormalization"]),
        (
            "conv1x7_7x1",
            ["Activation", "WeightNormConv2D", "BatchNormalization"] * 2,
        ),
        (
            "sep5x5",
            [
                "Activation",
                "WeightNormDepthwiseConv2D",
                "WeightNormConv2D",
                "BatchNormalization",
            ]
            * 2,
        ),
        (
            "dil_sep3x3",
            [
                "Activation",
                "WeightNormDepthwiseConv2D",
                "WeightNormConv2D",
                "BatchNormalization",
            ],
        ),
    ],
)
def test_order_of_layers(name, expected):
    images = normal(0, 2, 4, 4, 3).astype(np.float32)
    _, model = apply(lambda x, make: apply_op(OPS[name], x, 1, make), images)
    assert layer_names(model) == expected


def test_pair_halves_width_then_height():
    images = normal(0, 2, 8, 8, 3).astype(np.float32)
    _, model = apply(
        lambda x, make: apply_op(OPS["conv1x7_7x1"], x, 2, make), images
    )
    first, second = model.layers[2], model.layers[5]
    assert (first.kernel_size, first.strides) == ((1, 7), (1, 2))
    assert (second.kernel_size, second.strides) == ((7, 1), (2, 1))
    assert first.output.shape[1:] == (8, 4, 3)


def test_dilated_kernel_equals_one_with_holes():
    images = normal(0, 2, 7, 7, 2).astype(np.float32)
    dilated = LayerSpec(weight_norm=True, normalization="none")
    found, model = apply(
        lambda x, make: make.depthwise(x, (3, 3), 1, 2), images, dilated
    )
    kernel, gain = model.layers[1].get_weights()
    holes = np.zeros((5, 5, 2, 1), np.float32)
    holes[::2, ::2] = kernel
    reference = keras.layers.DepthwiseConv2D(5, padding="same", use_bias=False)
    reference.build(images.shape)
    reference.set_weights([holes])
    # Sums of 9 and, with the holes, 25 terms.
    assert_close(found, reference(images), num_roundings=9 + 25)
    norm = np.sqrt((kernel**2).sum((0, 1)))
    assert_close(gain, norm, num_roundings=2 * 9)


def test_weights_start_with_variance_2_over_fan_in():
    _, model = apply(
        lambda x, make: apply_op(OPS["sep7x7"], x, 1, make),
        np.zeros((1, 4, 4, 64), np.float32),
    )
    depthwise, pointwise = model.layers[2], model.layers[3]
    assert np.std(depthwise.kernel) == pytest.approx(np.sqrt(2 / 49), rel=0.05)
    assert np.std(pointwise.kernel) == pytest.approx(np.sqrt(2 / 64), rel=0.05)


def test_concatenated_input_of_a_reduction_is_halved():
    half = cell("conv1x1@1+conv1x1@1")
    assert half.concat == (0, 2)
    model = build_cell_network(Genotype(half, half), 0, 4, (8, 8, 1), 3)
    concats = [
        layer.output.shape[1:]
        for layer in model.layers
        if isinstance(layer, keras.layers.Concatenate)
    ]
    assert (4, 4, 2 * 8) in concats
    assert (2, 2, 2 * 16) in concats


def test_unread_inputs_and_dead_nodes_have_no_weights():
    lean = cell("conv1x1@1+conv1x1@1", concat=(2,))
    dead = cell("conv1x1@1+conv1x1@1", "conv3x3@0+conv3x3@2", concat=(2,))
    counts = [
        build_cell_network(Genotype(c, c), **SIZE).count_params()
        for c in (lean, dead)
    ]
    assert counts[0] == counts[1]
    # Of input 0 there is nothing: a calibration has 3F x F = 9 C_in weights.
    both = cell("conv1x1@0+conv1x1@1", concat=(2,))
    assert (
        counts[0]
        < build_cell_network(Genotype(both, both), **SIZE).count_params()
    )


def counted_multiply_adds(model):
    """From shapes of built kernels and of their layers' outputs."""
    total = 0
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            pixels = np.prod(layer.output.shape[1:-1], dtype=int)
            total += pixels * np.prod(kernel.shape, dtype=int)
    return total


COSTS = [
    *((name, "search", {}) for name in CELLS),
    ("separable", "training", {}),
    pytest.param(
        *("convolutions", "search"),
        {"image_shape": (7, 5, 3), "num_cells": 1},
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("name", "form", "size"), COSTS)
def test_cost_equals_the_built_network(name, form, size):
    spec = FORMS[form]
    model = build(name, spec, **size)
    cost = cell_network_cost(
        Genotype(CELLS[name], CELLS[name]),
        **{**SIZE, **size},
        weight_norm=spec.weight_norm,
        normalization=spec.normalization,
    )
    params = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert cost.params == params
    assert cost.statistics == model.count_params() - params
    assert cost.multiply_adds == counted_multiply_adds(model)


@pytest.mark.parametrize("normalization", ["mean_only", "none"])
def test_cost_with_other_normalizations(normalization):
    spec = LayerSpec(normalization=normalization)
    model = build("separable", spec)
    cost = cell_network_cost(
        Genotype(*[CELLS["separable"]] * 2),
        **SIZE,
        weight_norm=True,
        normalization=normalization,
    )
    assert cost.params + cost.statistics == model.count_params()


@pytest.mark.parametrize(
    "name",
    [
        "AmoebaNet-B",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("NASNet-A", "DARTS-V2", "ENAS", "GTN-fixed")
        ),
    ],
)
def test_published_networks_cost_what_they_build(name):
    genotype = published_genotype(name)
    size = (1, 4, (8, 8, 3), 10)
    model = build_cell_network(genotype, *size, FORMS["training"])
    cost = cell_network_cost(genotype, *size)
    assert cost.params + cost.statistics == model.count_params()
    assert cost.multiply_adds == counted_multiply_adds(model)


@pytest.mark.parametrize("pixels", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_large_kernels_fit_small_images(pixels):
    for name in ("convolutions", "max"):
        model = build(name, image_shape=(pixels, pixels, 1))
        logits = model(np.ones((2, pixels, pixels, 1), np.float32))
        assert logits.shape == (2, 3)
        assert np.isfinite(logits).all()


def test_training_form_follows_running_statistics():
    model = build("convolutions", FORMS["training"])
    images = normal(0, 6, 8, 8, 1).astype(np.float32)
    norm = next(
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )
    assert np.all(norm.moving_mean.numpy() == 0)
    model(images, training=True)
    assert np.any(norm.moving_mean.numpy() != 0)
    assert norm.momentum == 0.9
    swap_second_order(model)
    assert isinstance(norm, twice_differentiable.BatchNormalization)


def test_running_statistics_at_inference_by_hand():
    model = build("convolutions", FORMS["training"])
    norm = next(
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )
    norm.gamma.assign(1.5 * tf.ones_like(norm.gamma))
    norm.beta.assign(-tf.ones_like(norm.beta))

    def of(*values):
        batch = tf.reshape(tf.constant(values), (-1, 1, 1, 1))
        return tf.tile(batch, (1, 1, 1, norm.gamma.shape[0]))

    # Means 2 and 6, variances 1 and 4; nine tenths of the old, from 0 and 1.
    trained = norm(of(1.0, 3.0), training=True)
    np.testing.assert_allclose(trained, of(-2.5, 0.5), rtol=1e-4)
    norm(of(4.0, 8.0), training=True)
    ones = tf.ones_like(norm.gamma)
    assert_close(norm.moving_mean, (0.18 + 0.6) * ones, num_roundings=8)
    assert_close(norm.moving_variance, (0.9 + 0.4) * ones, num_roundings=8)
    found = norm(of(2.78, 100.0), training=False)
    expected = [1.5 * (x - 0.78) / 1.30001**0.5 - 1.0 for x in (2.78, 100.0)]
    np.testing.assert_allclose(found, of(*expected), rtol=1e-5)
    assert_close(norm.moving_mean, 0.78 * ones, num_roundings=8)


@pytest.mark.parametrize(("num_cells", "channels"), [(-1, 4), (1, 0)])
def test_impossible_sizes_are_refused(num_cells, channels):
    genotype = published_genotype("GTN-fixed")
    with pytest.raises(InputError, match="expected N >= 0 and F >= 1"):
        build_cell_network(genotype, num_cells, channels, (8, 8, 1), 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_second_order_matches_central_differences(name):
    assert_right_at_second_order(CELLS[name])


def test_a_small_cell_is_right_at_second_order():
    assert_right_at_second_order(
        cell("max3x3@0+max2x2@1", "max5x5@2+conv1x1@1")
    )


def assert_right_at_second_order(small):
    learner = from_keras(
        lambda: build_cell_network(Genotype(small, small), **SIZE, spec=SMOOTH)
    )
    params, statistics = learner.init(root_seed(3))
    scalar = second_order_scalar(learner.apply, statistics, 0)
    images = [normal(seed, 4, 8, 8, 1) for seed in (1, 2)]
    assert_gradient_matches(scalar, [*params, *images], 0, rtol=1e-5)


@pytest.mark.slow
def test_meta_gradient_of_a_cell_learner():
    learner = from_keras(lambda: build("convolutions", SMOOTH, channels=2))
    gtn = make_teacher(
        root_seed(5),
        source="distillation",
        num_steps=2,
        batch_size=4,
        learning_rate=0.05,
        precision="float64",
    )
    real = Batch(
        tf.constant(normal(3, 5, 8, 8, 1)),
        tf.one_hot([0, 1, 2, 0, 1], 3, dtype=tf.float64),
    )
    problem = InnerProblem((learner,), SGD, lambda _: real, 1)

    @tf.function(autograph=False)
    def function(meta_params):
        return meta_gradient(
            gtn, problem, meta_params, root_seed(11), (0, 1), False
        )

    meta_params = gtn.read()
    gradients, _ = function(meta_params)
    direction = {
        name: normal(seed, *meta_params[name].shape)
        for seed, name in enumerate(gtn.trained_names)
    }
    analytic = sum(
        float(np.sum(g.numpy() * direction[name]))
        for name, g in zip(gtn.trained_names, gradients, strict=True)
    )

    def total(step):
        moved = {n: meta_params[n] + step * d for n, d in direction.items()}
        return float(function({**meta_params, **moved})[1].total)

    numeric = (total(1e-5) - total(-1e-5)) / 2e-5
    assert abs(analytic) > 1e-3
    assert numeric == pytest.approx(analytic, rel=1e-5)
