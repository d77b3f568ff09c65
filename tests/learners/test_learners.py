import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf import layers
from gtn_tf.config.choices import INNER_OPTIMIZERS
from gtn_tf.layers import twice_differentiable
from gtn_tf.layers.initial_values import draw_initial_values, find_initializers
from gtn_tf.layers.normalization import BatchNormalization
from gtn_tf.layers.spec import LayerSpec
from gtn_tf.layers.weight_norm import (
    WeightNormConv2D,
    WeightNormDense,
    WeightNormLayer,
)
from gtn_tf.learners.families import build_family, from_family
from gtn_tf.learners.functional import Learner, from_keras, with_drawn_learner
from gtn_tf.learners.registry import FAMILIES, POOL
from gtn_tf.learners.second_order import _WRONG_AT_SECOND_ORDER
from gtn_tf.meta.inner_loop import initial_state, inner_step
from gtn_tf.meta.inner_optimizers import find_inner_optimizer
from gtn_tf.ops.seeds import root_seed
from gtn_tf.types import InputError, SyntheticData
from tests.helpers.central_differences import normal
from tests.helpers.float_tolerance import assert_close

NUM_CLASSES = 4
SMALL = (8, 8, 1)
SEEDS = [root_seed(seed) for seed in range(4)]


def num_params(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def assert_equal_lists(found, expected, **kwargs):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, **kwargs)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *itertools.product(FAMILIES, [(8, 8, 1), (28, 28, 1)]),
        ("conv2_fc", (32, 32, 3)),
        ("conv5_pool", (32, 32, 3)),
    ],
)
def test_every_family_maps_images_to_logits(name, shape):
    widths = [3 + i for i in range(len(FAMILIES[name].widths))]
    model = build_family(name, shape, NUM_CLASSES, widths)
    assert model(tf.zeros((2, *shape))).shape == (2, NUM_CLASSES)


def conv_params(inputs, outputs):
    """3x3 kernel without a bias, one gain per output, mean-only's beta."""
    return 9 * inputs * outputs + outputs + outputs


def dense_params(inputs, outputs, normalised=True):
    """Kernel, gain, bias, and mean-only's beta if normalised."""
    return inputs * outputs + 2 * outputs + (outputs if normalised else 0)


def test_conv2_fc_has_the_official_number_of_parameters_on_mnist():
    expected = (
        conv_params(1, 64)
        + conv_params(64, 128)
        + dense_params(7 * 7 * 128, 256)
        + dense_params(256, 10, normalised=False)
    )
    assert expected == 1_683_668  # the official base_fc's
    assert num_params(build_family("conv2_fc", (28, 28, 1), 10)) == expected


def test_conv5_pool_has_the_official_number_of_parameters_on_cifar():
    expected = sum(
        itertools.starmap(
            conv_params,
            [(3, 64), (64, 128), (128, 128), (128, 256), (256, 256)],
        )
    ) + dense_params(256, 10, normalised=False)
    assert expected == 1_111_892  # the official base_larger2's
    assert num_params(build_family("conv5_pool", (32, 32, 3), 10)) == expected


@pytest.mark.parametrize("name", FAMILIES)
def test_layers_come_in_the_official_order(name):
    family = FAMILIES[name]
    expected = []
    for block in family.blocks:
        expected.append("WeightNormConv2D")
        expected += ["MaxPool2D"] * (block == POOL)
        expected += ["MeanOnlyBatchNormalization", "Activation"]
    expected.append(
        "GlobalAveragePooling2D" if family.global_pool else "Flatten"
    )
    for _ in family.widths[len(family.blocks) :]:
        expected += ["WeightNormDense", "MeanOnlyBatchNormalization"]
        expected.append("Activation")
    expected.append("WeightNormDense")
    widths = [2] * len(family.widths)
    model = build_family(name, SMALL, NUM_CLASSES, widths)
    assert [type(layer).__name__ for layer in model.layers] == expected
    strides = [
        layer.strides[0]
        for layer in model.layers
        if isinstance(layer, WeightNormConv2D)
    ]
    assert strides == [1 if b == POOL else b for b in family.blocks]


def test_biases_only_where_nothing_normalises():
    def names(normalization):
        spec = LayerSpec(normalization=normalization)
        model = build_family("conv2_pool", SMALL, NUM_CLASSES, (2, 2), spec)
        return [v.name for v in model.trainable_variables]

    dense = ["kernel", "gain", "bias"]
    assert names("mean_only") == ["kernel", "gain", "beta"] * 2 + dense
    assert names("batch") == ["kernel", "gain", "gamma", "beta"] * 2 + dense
    assert names("none") == ["kernel", "gain", "bias"] * 2 + dense


def test_plain_twins_equal_fresh_weight_normalised_learners():
    images = tf.constant(normal(1, 3, *SMALL), tf.float32)
    models = [
        build_family(
            "conv2_fc",
            SMALL,
            NUM_CLASSES,
            (2, 3, 4),
            LayerSpec(weight_norm=norm),
        )
        for norm in (True, False)
    ]
    kinds = (WeightNormLayer, (keras.layers.Conv2D, keras.layers.Dense))
    for model, kind in zip(models, kinds, strict=True):
        assert sum(isinstance(layer, kind) for layer in model.layers) == 4
    normalised, plain = models
    plain.set_weights(
        [v.numpy() for v in normalised.weights if v.name != "gain"]
    )
    # Two convolutions of 1 and 2 channels, dense layers of 2 x 2 x 3 and 4.
    assert_close(plain(images), normalised(images), 9 + 9 * 2 + 12 + 4)


# Random widths ---------------------------------------------------------------

WIDTH_RANGES = {
    "conv2_fc": ((2, 5), (1, 6), (3, 7)),
    "conv3_pool": ((2, 5), 4, (1, 6)),
    "mlp": ((2, 9), (3, 6)),
}

random_width_families = pytest.mark.parametrize("name", WIDTH_RANGES)
#: One of each family; the other products are slow.
QUICK_MASKED = (
    ("conv2_fc", "batch"),
    ("conv3_pool", "mean_only"),
    ("mlp", "batch"),
)


def ranges_of(name):
    return [(w, w) if isinstance(w, int) else w for w in WIDTH_RANGES[name]]


def float64_spec(normalization, weight_norm=True):
    return LayerSpec(
        weight_norm=weight_norm, normalization=normalization, dtype="float64"
    )


def masked_learner(name, spec):
    return from_family(name, SMALL, NUM_CLASSES, WIDTH_RANGES[name], spec)


def masked_model(name, spec):
    """The model behind `masked_learner`."""
    spec = dataclasses.replace(spec, masked=True)
    highest = [high for _, high in ranges_of(name)]
    return build_family(name, SMALL, NUM_CLASSES, highest, spec)


def pick(model, values, kind):
    """Those of non-trainable `values` that belong to (no) WidthMask."""
    return [
        value
        for value, variable in zip(
            values, model.non_trainable_variables, strict=True
        )
        if (variable.name == "mask") == (kind == "mask")
    ]


def drawn_widths(model, statistics):
    return [int(tf.reduce_sum(m)) for m in pick(model, statistics, "mask")]


def slice_to(narrow, wide_params):
    """The leading channels of each wide parameter, as the narrow model's."""
    found = []
    flattened = None
    for layer in narrow.layers:
        if isinstance(layer, keras.layers.Flatten):
            flattened = layer.input.shape
        for variable in layer.trainable_variables:
            wide = np.asarray(wide_params[len(found)])
            if variable.name == "kernel" and flattened is not None:
                # [H W C, O]: the channels are those of each pixel.
                pixels = flattened[1] * flattened[2]
                wide = wide.reshape(pixels, -1, wide.shape[-1])
                wide = wide[:, : flattened[3], : variable.shape[-1]]
                wide = wide.reshape(variable.shape)
                flattened = None
            found.append(wide[tuple(slice(n) for n in variable.shape)])
    return [tf.constant(value) for value in found]


def model_learner(model):
    def apply(params, statistics, images, training):
        return model.stateless_call(
            params, statistics, images, training=training
        )

    return Learner("narrow", None, apply)


def is_narrow(name, widths):
    return all(
        width < high or low == high
        for width, (low, high) in zip(widths, ranges_of(name), strict=True)
    )


def narrow_seed(learner, model, name):
    """Returns the first seed that makes every free layer narrower."""
    init = tf.function(learner.init, autograph=False)
    for number in range(100):
        _, statistics = init(root_seed(number))
        widths = drawn_widths(model, statistics)
        if is_narrow(name, widths):
            return root_seed(number), widths
    raise AssertionError("no narrow draw")


@pytest.mark.parametrize(
    ("name", "normalization"),
    [
        pytest.param(
            *case, marks=[] if case in QUICK_MASKED else pytest.mark.slow
        )
        for case in itertools.product(WIDTH_RANGES, ("mean_only", "batch"))
    ],
)
def test_a_masked_learner_trains_like_a_really_narrow_one(name, normalization):
    spec = float64_spec(normalization)
    learner, model = masked_learner(name, spec), masked_model(name, spec)
    seed, widths = narrow_seed(learner, model, name)
    narrow = build_family(name, SMALL, NUM_CLASSES, widths, spec)
    twin = model_learner(narrow)
    images = tf.constant(normal(2, 5, *SMALL))
    labels = tf.one_hot([0, 1, 2, 3, 1], NUM_CLASSES, dtype="float64")
    rates = {
        "learning_rate": tf.constant(0.05, tf.float64),
        "momentum": tf.constant(0.7, tf.float64),
    }
    data = SyntheticData(images, labels, rates)
    for name in INNER_OPTIMIZERS:
        optimizer = find_inner_optimizer(name)
        wide_state = initial_state(learner, optimizer, seed)
        params = slice_to(narrow, wide_state.params)
        state = wide_state._replace(
            params=params,
            statistics=[
                tf.convert_to_tensor(v) for v in narrow.non_trainable_variables
            ],
            slots=optimizer.init(params),
        )
        for _ in range(2):
            before = wide_state
            wide_state = inner_step(learner, optimizer, wide_state, data)
            state = inner_step(twin, optimizer, state, data)
        assert not np.allclose(before.params[0], wide_state.params[0])
        assert_equal_lists(
            slice_to(narrow, wide_state.params), state.params, atol=1e-10
        )
        for training in (True, False):
            logits, _ = learner.apply(
                wide_state.params, wide_state.statistics, images, training
            )
            expected, _ = twin.apply(
                state.params, state.statistics, images, training
            )
            np.testing.assert_allclose(logits, expected, atol=1e-10)


@random_width_families
def test_masked_kernels_have_the_narrow_ones_scale(name):
    spec = float64_spec("mean_only")
    learner, model = masked_learner(name, spec), masked_model(name, spec)
    seed, widths = narrow_seed(learner, model, name)
    _, statistics = learner.init(seed)
    masks = pick(model, statistics, "mask")
    initializers = find_initializers(model)
    full, _ = draw_initial_values(model, initializers, seed)
    masked, _ = draw_initial_values(model, initializers, seed, masks)
    kernels = [
        (np.asarray(a), np.asarray(b))
        for a, b, v in zip(full, masked, model.trainable_variables, strict=True)
        if v.name == "kernel"
    ]
    # The first kernel reads the image, which has no mask.
    np.testing.assert_array_equal(*kernels[0])
    highs = [high for _, high in ranges_of(name)]
    for (whole, part), width, high in zip(
        kernels[1:], widths, highs, strict=True
    ):
        whole, part = (k.reshape(-1, high, k.shape[-1]) for k in (whole, part))
        np.testing.assert_array_equal(part[:, width:], 0.0)
        # Variance 2 / fan_in: narrower by high / width.
        np.testing.assert_allclose(
            part[:, :width], whole[:, :width] * np.sqrt(high / width)
        )


def test_narrow_kernels_have_variance_2_over_their_fan_in():
    spec = float64_spec("mean_only")
    learner = from_family(
        "conv2_fc", SMALL, NUM_CLASSES, ((8, 40), (8, 40), 60), spec
    )
    params, statistics = learner.init(SEEDS[0])
    # Of each block: moving mean, mask.
    widths = [int(tf.reduce_sum(statistics[i])) for i in (1, 3)]
    assert all(8 <= width < 40 for width in widths)
    pixels = 2 * 2  # 8 x 8 after two pools
    # Kernel, gain and beta of two blocks come before the dense kernel.
    for kernel, rows, width in (
        (params[3], 9, widths[0]),
        (params[6], pixels, widths[1]),
    ):
        values = np.reshape(kernel, (rows, 40, -1))[:, :width]
        std = np.sqrt(2.0 / (rows * width))
        error = 4.0 / np.sqrt(2.0 * values.size)  # four standard errors
        assert abs(values.std() / std - 1.0) < error


@random_width_families
def test_gains_are_the_norms_of_the_drawn_kernels(name):
    spec = float64_spec("mean_only")
    params, _ = masked_learner(name, spec).init(SEEDS[0])
    names = [v.name for v in masked_model(name, spec).trainable_variables]
    gains = [i for i, n in enumerate(names) if n == "gain"]
    for index in gains:
        kernel = np.asarray(params[index - 1])
        norms = np.sqrt(np.sum(kernel**2, axis=tuple(range(kernel.ndim - 1))))
        np.testing.assert_allclose(params[index], norms, rtol=1e-6)


def test_drawn_widths_lie_within_and_reach_both_ends():
    spec = float64_spec("mean_only")
    name = "conv3_pool"
    learner, model = masked_learner(name, spec), masked_model(name, spec)
    draw = tf.function(
        lambda seed: pick(model, learner.init(seed)[1], "mask"),
        autograph=False,
    )
    widths = []
    for number in range(100):
        masks = [m.numpy() for m in draw(root_seed(number))]
        for mask in masks:
            np.testing.assert_array_equal(mask, sorted(mask)[::-1])
            assert set(mask) <= {0.0, 1.0}
        widths.append([int(mask.sum()) for mask in masks])
    for found, (low, high) in zip(
        np.transpose(widths), ranges_of(name), strict=True
    ):
        # One of 6 widths is missed by 100 draws once in 1e7.
        assert set(found) == set(range(low, high + 1))
    # Layers are drawn independently.
    assert len({tuple(w) for w in widths}) > 6  # the widest range's


def test_new_widths_retrace_nothing():
    learner = masked_learner("mlp", float64_spec("batch"))
    images = tf.constant(normal(3, 2, *SMALL))

    @tf.function(autograph=False)
    def logits(seed):
        return learner.apply(*learner.init(seed), images, training=True)[0]

    found = [logits(seed).numpy() for seed in SEEDS]
    assert logits.experimental_get_tracing_count() == 1
    assert not np.allclose(found[0], found[1])


@pytest.mark.parametrize("widths", [(3, 4), ((2, 3), (2, 4))])
def test_a_learner_is_a_function_of_its_seed(widths):
    learner = from_family("conv2_pool", SMALL, NUM_CLASSES, widths)
    first, again, other = (
        learner.init(s) for s in (SEEDS[0], SEEDS[0], SEEDS[1])
    )
    for a, b, c in zip(first[0], again[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)
        # All but the biases and beta, which start at zero.
        assert not np.any(a) or not np.allclose(a, c)
    # Layers of one learner differ from each other.
    kernels = [np.ravel(p)[:9] for p in first[0] if p.shape.rank > 1]
    assert not np.allclose(kernels[0], kernels[1])


@pytest.mark.parametrize(
    ("name", "widths", "message"),
    [("conv9", None, "conv9"), ("mlp", (3,), "1 entries")],
)
def test_bad_families_are_refused(name, widths, message):
    with pytest.raises(InputError, match=message):
        from_family(name, SMALL, NUM_CLASSES, widths)


# A user's own models ---------------------------------------------------------


def sequential(*stack, shape=SMALL):
    return lambda: keras.Sequential([keras.Input(shape), *stack], name="mine")


def user_sequential():
    return sequential(
        keras.layers.Conv2D(30, 3, kernel_initializer="glorot_normal"),
        keras.layers.Dropout(0.5),
        keras.layers.Flatten(),
        keras.layers.Dense(20, kernel_initializer="orthogonal"),
        keras.layers.Dense(NUM_CLASSES),
    )()


def user_functional():
    image = keras.Input(SMALL)
    values = keras.layers.Conv2D(30, 3, kernel_initializer="glorot_normal")(
        image
    )
    values = keras.layers.Flatten()(keras.layers.Dropout(0.5)(values))
    values = keras.Sequential(
        [keras.layers.Dense(20, kernel_initializer="orthogonal")]
    )(values)
    return keras.Model(image, keras.layers.Dense(NUM_CLASSES)(values))


user_models = pytest.mark.parametrize(
    "build_model", [user_sequential, user_functional]
)


@user_models
def test_a_users_model_gets_fresh_values_from_its_own_initializers(build_model):
    learner = from_keras(build_model)
    params, _ = learner.init(SEEDS[0])
    other, _ = learner.init(SEEDS[1])
    again, _ = learner.init(SEEDS[0])
    assert_equal_lists(params, again, rtol=0.0)
    for index in (0, 2, 4):  # kernels; the others are biases
        assert not np.allclose(params[index], other[index])
        np.testing.assert_array_equal(params[index + 1], 0.0)
    conv, orthogonal = params[0].numpy(), params[2].numpy()
    # Glorot: 2 / (fan_in + fan_out), truncation included.
    std = np.sqrt(2.0 / (9 * 1 + 9 * 30))
    assert abs(conv.std() / std - 1.0) < 4.0 / np.sqrt(2.0 * conv.size)
    assert_close(orthogonal.T @ orthogonal, np.eye(20), len(orthogonal))


@user_models
def test_dropout_draws_anew_at_every_step_of_every_seed(build_model):
    learner = from_keras(build_model)
    images = tf.ones((2, *SMALL))
    params, statistics = learner.init(SEEDS[0])
    first, after = learner.apply(params, statistics, images, training=True)
    second, _ = learner.apply(params, after, images, training=True)
    again, _ = learner.apply(params, statistics, images, training=True)
    _, statistics = learner.init(SEEDS[1])
    other, _ = learner.apply(params, statistics, images, training=True)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, second)
    assert not np.allclose(first, other)
    evaluated = [
        learner.apply(params, s, images, training=False)[0]
        for s in (statistics, after)
    ]
    np.testing.assert_array_equal(*evaluated)


def test_each_variable_finds_its_own_initializer():
    learner = from_keras(
        sequential(
            keras.layers.SeparableConv2D(
                2,
                3,
                depthwise_initializer=keras.initializers.Constant(1.0),
                pointwise_initializer=keras.initializers.Constant(2.0),
                bias_initializer=keras.initializers.Constant(3.0),
            ),
            keras.layers.DepthwiseConv2D(
                3, depthwise_initializer=keras.initializers.Constant(4.0)
            ),
            BatchNormalization(),
            keras.layers.PReLU(
                alpha_initializer=keras.initializers.Constant(5.0)
            ),
        )
    )
    params, statistics = learner.init(SEEDS[0])
    values = [float(np.unique(p).item()) for p in [*params, *statistics]]
    separable, depthwise, norm, prelu = [1, 2, 3], [4, 0], [1, 0], [5]
    assert values == [*separable, *depthwise, *norm, *prelu, 0, 1]


def make_refused(name):
    arguments = {
        "BatchNormalization": {"renorm": True},
        "LayerNormalization": {},
        "GroupNormalization": {"groups": 1},
        "SpectralNormalization": {"layer": keras.layers.Conv2D(2, 3)},
        "MaxPooling1D": {"pool_size": 3, "strides": 1, "padding": "same"},
        "MaxPooling2D": {"pool_size": 3, "strides": 1, "padding": "same"},
        "Resizing": {"height": 4, "width": 4, "crop_to_aspect_ratio": True},
        "UpSampling2D": {"interpolation": "bilinear"},
        "RandomShear": {"x_factor": 0.1},
        "RandomRotation": {"factor": 0.1},
        "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
        "RandomZoom": {"height_factor": 0.1},
    }[name]
    # A subclass may compute something else than what it is swapped for.
    own = type(name, (getattr(keras.layers, name),), {})
    is_plain = name in ("BatchNormalization", "Resizing")
    cls = getattr(keras.layers, name) if is_plain else own
    return cls(**arguments, name="culprit")


@pytest.mark.parametrize(
    "name", [n for n in _WRONG_AT_SECOND_ORDER if n != "MaxPooling1D"]
)
def test_layers_wrong_at_second_order_are_refused_by_name(name):
    with pytest.raises(InputError) as caught:
        from_keras(sequential(make_refused(name)))
    message = str(caught.value)
    assert f"layer 'culprit' ({name})" in message
    assert _WRONG_AT_SECOND_ORDER[name] in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "name", [n for n in _WRONG_AT_SECOND_ORDER if n != "MaxPooling1D"]
)
def test_refused_layers_are_accepted_for_first_order(name):
    from_keras(sequential(make_refused(name)), second_order=False)


def test_a_keras_model_with_batch_norm_runs_at_first_order():
    learner = from_keras(
        sequential(
            keras.layers.Flatten(),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(NUM_CLASSES),
        ),
        second_order=False,
    )
    images = tf.ones((2, *SMALL))
    logits, _ = learner.apply(*learner.init(SEEDS[0]), images, training=True)
    assert logits.shape == (2, NUM_CLASSES)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.MaxPooling2D(2),
        lambda: keras.layers.MaxPooling2D(3, strides=1),
        lambda: keras.layers.MaxPooling2D(3, strides=2, padding="same"),
        lambda: keras.layers.UpSampling2D(),
        lambda: keras.layers.RMSNormalization(),
        lambda: BatchNormalization(),
        lambda: layers.MaxPool2D(3, 1),
    ],
)
def test_right_relatives_of_refused_layers_are_accepted(layer):
    from_keras(sequential(layer()))


def test_a_refused_layer_is_found_inside_a_nested_model():
    inner = keras.Sequential([keras.Input(SMALL), keras.layers.RandomZoom(0.1)])
    with pytest.raises(InputError, match="RandomZoom"):
        from_keras(sequential(inner))


def test_an_unbuilt_model_is_refused():
    with pytest.raises(InputError, match=r"keras\.Input"):
        from_keras(lambda: keras.Sequential([keras.layers.Dense(2)]))


class Scale(keras.layers.Layer):
    """Keeps its initializer under no name that could be found."""

    def __init__(self, initializer, known=False):
        super().__init__(name="scale")
        self._hidden = keras.initializers.get(initializer)
        if known:
            self.factor_initializer = self._hidden

    def build(self, input_shape):
        self.factor = self.add_weight(
            name="factor",
            shape=(input_shape[-1], 2),
            initializer=self._hidden,
        )

    def call(self, inputs):
        return inputs @ self.factor


# As in a meta-step, where a variable's built value is not at hand.
traced_or_not = pytest.mark.parametrize(
    "init",
    [
        lambda learner, seed: learner.init(seed),
        lambda learner, seed: tf.function(learner.init, autograph=False)(seed),
    ],
    ids=["eager", "traced"],
)


def test_a_random_variable_without_a_known_initializer_is_an_error():
    with pytest.raises(InputError, match="'factor_initializer'") as caught:
        from_keras(sequential(Scale("glorot_uniform"), shape=(5,)))
    assert "layer 'scale' (Scale)" in str(caught.value)


@traced_or_not
def test_a_custom_layer_needs_only_the_attribute_or_a_constant(init):
    learner = from_keras(
        sequential(Scale("glorot_uniform", known=True), shape=(5,))
    )
    a, b = (init(learner, seed)[0][0] for seed in SEEDS[:2])
    assert not np.allclose(a, b)
    learner = from_keras(sequential(Scale("ones"), shape=(5,)))
    np.testing.assert_array_equal(
        init(learner, SEEDS[0])[0][0], np.ones((5, 2))
    )


@traced_or_not
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda: keras.layers.Dense(20, kernel_initializer="orthogonal"),
        lambda: WeightNormDense(20, kernel_initializer="orthogonal"),
    ],
)
def test_a_wrapper_and_what_it_wraps_draw_their_initial_values(init, wrapped):
    wrapper = keras.layers.SpectralNormalization(wrapped(), name="wrapper")
    learner = from_keras(sequential(wrapper, shape=(30,)), second_order=False)
    kernels, vectors = [], []
    for seed in (*SEEDS, SEEDS[0]):
        params, statistics = init(learner, seed)
        kernel, bias = params[0], params[-1]
        np.testing.assert_allclose(
            np.transpose(kernel) @ kernel, np.eye(20), atol=1e-5
        )
        np.testing.assert_array_equal(bias, np.zeros(20))
        kernels.append(kernel.numpy())
        vectors.append(statistics[0].numpy())
        assert vectors[-1].shape == (1, 20)
    for drawn in (kernels, vectors):
        np.testing.assert_array_equal(drawn[0], drawn[-1])
        for a, b in itertools.combinations(drawn[:-1], 2):
            assert not np.any(a == b)
    # Truncated normal of 0.02, which only the wrapper's `build` knows.
    std = np.std(vectors[:-1])
    assert abs(std / 0.02 - 1.0) < 4.0 / np.sqrt(2.0 * 80)
    logits, after = learner.apply(
        params, statistics, tf.ones((2, 30)), training=True
    )
    assert logits.shape == (2, 20)
    assert not np.allclose(after[0], vectors[-1])


@traced_or_not
def test_a_value_that_was_fitted_to_data_is_kept(init):
    fitted = keras.layers.Normalization()
    fitted.adapt(np.array([[1.0, 5.0], [3.0, 9.0]]))
    learner = from_keras(sequential(fitted, shape=(2,)))
    params, statistics = init(learner, SEEDS[0])
    assert params == []
    np.testing.assert_array_equal(statistics[0], [2.0, 7.0])
    np.testing.assert_array_equal(statistics[1], [1.0, 4.0])


def test_one_learner_is_drawn_uniformly_by_the_seed_alone():
    learners = [Learner(str(i), None, None) for i in range(3)]

    @tf.function(autograph=False)
    def draw(seed):
        return with_drawn_learner(
            learners, seed, lambda learner: (tf.constant(int(learner.name)),)
        )[0]

    drawn = [int(draw(root_seed(number))) for number in range(120)]
    again = [int(draw(root_seed(number))) for number in range(10)]
    assert again == drawn[:10]
    # 40 of each are expected, with a standard deviation of 5.2.
    counts = np.bincount(drawn, minlength=3)
    assert counts.sum() == 120
    assert np.all(np.abs(counts - 40) < 21)


def test_a_single_learner_needs_no_draw():
    (learner,) = learners = [Learner("only", None, None)]
    assert with_drawn_learner(learners, SEEDS[0], lambda x: (x,)) == (learner,)


def _strided_pointwise(channels, strides=2, cls=keras.layers.Conv2D):
    return keras.Sequential(
        [
            keras.Input((8, 8, channels)),
            cls(16, 1, strides=strides, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )


class _OwnConv2D(keras.layers.Conv2D):
    pass


def test_a_subclassed_strided_pointwise_convolution_is_refused(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    with pytest.raises(InputError, match="can crash on CPU") as caught:
        from_keras(lambda: _strided_pointwise(4, cls=_OwnConv2D))
    assert "gtn_tf.layers.Subsample" in str(caught.value)
    from_keras(lambda: _strided_pointwise(16, cls=_OwnConv2D))
    from_keras(lambda: _strided_pointwise(4, strides=1, cls=_OwnConv2D))


@pytest.mark.parametrize(("onednn", "is_swapped"), [("1", True), ("0", False)])
def test_a_strided_pointwise_convolution_is_swapped(
    onednn, is_swapped, monkeypatch
):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", onednn)
    model = _strided_pointwise(4)
    from_keras(lambda: model)
    swapped = isinstance(model.layers[0], twice_differentiable.PointwiseConv2D)
    assert swapped == is_swapped
