import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from gtn_tf.learners.batch_statistics import (
    moving_statistics,
    normalizing_by_the_batch,
    settle_statistics,
)
from gtn_tf.learners.functional import from_keras
from gtn_tf.learners.identity import network_digest
from gtn_tf.learners.own_networks import (
    build_own_network,
    check_keras_settings,
)
from gtn_tf.learners.undoing import change, changes_undone
from gtn_tf.meta.inner_loop import cross_entropy, inner_step
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.ops.seeds import root_seed
from gtn_tf.types import InputError, LearnerState, SyntheticData
from tests.helpers import tiny
from tests.helpers.float_tolerance import assert_close

SHAPE, NUM_CLASSES = (8, 8, 1), 3
IMAGES = np.random.default_rng(0).normal(size=(6, *SHAPE)).astype("float32")


def stack(*layers, dtype="float32"):
    return keras.Sequential([keras.Input(SHAPE, dtype=dtype), *layers])


def build(model):
    return build_own_network(lambda: model, SHAPE, NUM_CLASSES)


class Subclassed(keras.Model):
    """Without the argument `training`, as many are written."""

    def __init__(self, activation=None):
        super().__init__()
        self.flatten, self.norm = L.Flatten(), L.BatchNormalization()
        self.out = L.Dense(NUM_CLASSES, activation=activation)

    def call(self, images):
        return self.out(self.norm(self.flatten(images)))


class NamesTraining(Subclassed):
    """Has the argument, and leaves it to Keras to hand it on."""

    def call(self, images, training=False):
        return super().call(images)


class OwnWeights(keras.Model):
    """Has weights beside those of its layers."""

    def __init__(self, initializer):
        super().__init__()
        self.flatten, self.out = L.Flatten(), L.Dense(NUM_CLASSES)
        self.temperature = self.add_weight(
            shape=(3,), initializer=initializer, name="temperature"
        )
        self.never_called = L.BatchNormalization()

    def build(self, shape):
        self.out.build((None, 64))

    def call(self, images):
        return self.out(self.flatten(images)) * self.temperature


class Plain(L.Layer):
    """Keeps its initializer as Keras takes it: by name."""

    def __init__(self):
        super().__init__()
        self.kernel_initializer = "glorot_uniform"

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(shape[-1], NUM_CLASSES),
            initializer=self.kernel_initializer,
            name="kernel",
        )

    def call(self, values):
        return values @ self.kernel


def functional_start(preprocess):
    inputs = keras.Input(SHAPE)
    values = L.Flatten()(preprocess(inputs))
    return keras.Model(inputs, L.Dense(NUM_CLASSES)(values))


def functional_end(layer):
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, layer(L.Dense(NUM_CLASSES)(L.Flatten()(inputs))))


@pytest.mark.parametrize(
    "model",
    [
        lambda: stack(L.Flatten(), L.Dense(NUM_CLASSES, activation="softmax")),
        lambda: functional_end(L.Softmax()),
        lambda: functional_end(L.Activation("softmax")),
        lambda: stack(stack(L.Flatten(), L.Dense(3, activation="softmax"))),
    ],
    ids=["dense", "layer", "activation", "nested"],
)
def test_a_softmax_at_the_end_is_taken_away(model):
    kept = model()
    expected = kept(IMAGES).numpy()
    logits = build(kept)(IMAGES)
    # Logits of 64 pixels, of size 2 or so.
    assert_close(tf.nn.softmax(logits), expected, 2 * 64)
    assert logits.numpy().min() < 0


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int32"])
def test_preprocessing_gives_way_to_the_datas_own(dtype):
    end = [L.Conv2D(2, 3), L.Flatten(), L.Dense(NUM_CLASSES)]
    plain = stack(*end)
    leading = [L.Rescaling(1 / 255), L.Normalization(mean=0.5, variance=2.0)]
    raw = stack(*leading, *map(_twin, end), dtype=dtype)
    raw.set_weights([*raw.get_weights()[:-4], *plain.get_weights()])
    expected = plain(IMAGES).numpy()
    np.testing.assert_array_equal(build(raw)(IMAGES), expected)


def _twin(layer):
    return type(layer).from_config(layer.get_config())


class _Rescaling(keras.Model):
    def __init__(self):
        super().__init__()
        self.out, self.scale = L.Dense(NUM_CLASSES), L.Rescaling(1 / 255)
        self.late = L.Rescaling(0.5)

    def call(self, images):
        return self.late(self.out(L.Flatten()(self.scale(images))))


def _nested():
    inner = stack(L.Rescaling(1 / 255), L.Flatten())
    augmented = stack(L.RandomFlip(), L.Rescaling(1.0))
    return stack(augmented, inner, L.Dense(NUM_CLASSES), L.Rescaling(0.5))


@pytest.mark.parametrize("make", [_Rescaling, _nested])
def test_preprocessing_is_found_in_any_form(make):
    model = build(make())
    kernel, bias = model.trainable_variables
    expected = 0.5 * (IMAGES.reshape(6, 64) @ kernel.numpy() + bias.numpy())
    assert_close(model(IMAGES, training=False), expected, 2 * 64)


@pytest.mark.parametrize(
    ("layer", "part"),
    [
        (lambda: L.RandomBrightness(0.1), r"expects pixels in \(0, 255\)"),
        (lambda: L.MixUp(), "mixes images without their labels"),
    ],
)
def test_augmentation_of_pixels_or_labels_is_refused(layer, part):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        build(stack(layer(), L.Flatten(), L.Dense(NUM_CLASSES)))
    caught.match(part)


def test_two_classes_above_0_by_chance_are_logits():
    bias = keras.initializers.Constant(9.0)
    model = stack(L.Flatten(), L.Dense(2, bias_initializer=bias))
    build_own_network(lambda: model, SHAPE, 2)


def test_whole_numbers_alone_give_way_too():
    model = stack(L.Flatten(), L.Dense(NUM_CLASSES), dtype="uint8")
    assert np.ptp(build(model)(IMAGES)) > 0.1
    assert build(model).inputs[0].dtype == "float32"


class _Late(keras.Model):
    def call(self, images):
        return images


class _AddsLoss(L.Layer):
    def __init__(self, in_training_alone=False):
        super().__init__()
        self.in_training_alone = in_training_alone

    def call(self, inputs, training=False):
        if training or not self.in_training_alone:
            self.add_loss(tf.reduce_sum(inputs))
        return inputs


class _Auxiliary(Subclassed):
    def call(self, images, training=False):
        logits = super().call(images)
        return (logits, images) if training else logits


class _Draws(L.Layer):
    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def call(self, inputs, training=False):
        return inputs + self.draw(tf.shape(inputs)) if training else inputs


def _named_output():
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, {"a": L.Dense(3)(L.Flatten()(inputs))})


def _two_inputs():
    inputs = [keras.Input(SHAPE), keras.Input(SHAPE)]
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(L.Add()(inputs))))


def _fail():
    raise OSError("no weights; on disk")


_DENSE = (L.Flatten, lambda: L.Dense(NUM_CLASSES))


def _ended(*more):
    return stack(L.Flatten(), *more)


@pytest.mark.parametrize(
    ("builder", "part"),
    [
        (lambda: None, "returned a NoneType"),
        (lambda: {"model": 1}, "returned a dict"),
        (_fail, r"raised OSError \(no weights, on disk\)"),
        (sys.exit, "raised SystemExit"),
        (3, "an? int is given as builder"),
        (_Late, "has no weights to train"),
        (_named_output, r"maps images .* to dict"),
        (_two_inputs, r"cannot be called with images .* 2 "),
        (lambda: _ended(L.Dense(4)), r"to \(64, 4\); .*logits \(64, 3\)"),
        (lambda: _ended(L.Dense(3, activation="relu")), "with relu"),
        (lambda: _ended(L.Dense(3, activation="sigmoid")), "with sigmoid"),
        (lambda: _ended(L.Dense(3), L.ReLU()), "with ReLU"),
        (lambda: _ended(L.Dense(3), L.Activation("tanh")), "with tanh"),
        (lambda: _Scaled(1 / 255), r"standard deviation 0\.00"),
        (lambda: _Scaled(255), "standard deviation 2"),
        (
            lambda: stack(L.Lambda(lambda x: x / 127.5 - 1), *_end()),
            r"layer 'dense\w*' \(Dense\) is given images",
        ),
        (
            lambda: stack(
                L.Resizing(6, 6), L.Rescaling(1 / 255), L.Conv2D(2, 3), *_end()
            ),
            "is given images of standard deviation",
        ),
        (
            lambda: _Scaled(1, shift=-127.5),
            r"deviation 0\.95 and means of up to 1\.3e\+02",
        ),
        (
            lambda: functional_start(lambda x: x[..., ::-1] - 103.9),
            r"means of up to 1e\+02",
        ),
        (lambda: _Scaled(1, fails=True), "only when it is trained"),
        (
            lambda: stack(
                L.SpectralNormalization(L.Conv2D(2, 3)), L.Flatten(), L.Dense(3)
            ),
            r"\(SpectralNormalization\) sets its weights",
        ),
        (
            lambda: _ended(_Draws(keras.random.normal), L.Dense(3)),
            "not among its variables",
        ),
        (
            lambda: _ended(_Draws(tf.random.normal), L.Dense(3)),
            "other outputs at each call",
        ),
        (
            lambda: _ended(_AddsLoss(True), L.Dense(3)),
            "adds a loss in training",
        ),
        (
            lambda: _ended(L.Dense(3, bias_constraint="non_neg")),
            "a constraint of its bias",
        ),
        (lambda: Subclassed("softmax"), "returns probabilities"),
        (lambda: Subclassed("relu"), "returns no number below 0"),
        (
            lambda: _ended(L.Dense(3, activity_regularizer="l2")),
            "loss of its activations",
        ),
        (lambda: _ended(_AddsLoss(), L.Dense(3)), "loss of its activations"),
        (
            lambda: _ended(L.BatchNormalization(momentum=1), L.Dense(3)),
            "momentum 1",
        ),
        (
            lambda: (
                stack(L.Conv2D(1, 1, data_format="channels_first"))
                and stack(
                    L.ZeroPadding2D(0, data_format="channels_first"),
                    L.Flatten(),
                    L.Dense(3),
                )
            ),
            "data_format 'channels_first'",
        ),
        (
            lambda: _ended(L.Dense(3, bias_initializer=_constant(np.nan))),
            "not finite before",
        ),
    ],
)
def test_what_cannot_be_put_right_is_one_line(builder, part):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        build_own_network(builder, SHAPE, NUM_CLASSES)
    caught.match(part)


def _end():
    return L.Flatten(), L.Dense(NUM_CLASSES)


class _Scaled(keras.Model):
    def __init__(self, factor, fails=False, shift=0.0):
        super().__init__()
        self.factor, self.fails, self.shift = factor, fails, shift
        self.flatten, self.out = _end()

    def call(self, images, training=False):
        if training and self.fails:
            raise RuntimeError("only when it is trained")
        return self.out(self.flatten(images * self.factor + self.shift))


def test_pooling_leaves_the_scale(recwarn):
    model = stack(L.AveragePooling2D(8), *_end())
    assert build(model) is model
    assert not recwarn.list


def _constant(value):
    return keras.initializers.Constant(value)


def test_a_model_is_no_builder():
    model = _ended(L.Dense(3))
    with pytest.raises(InputError, match="in place of what builds it"):
        build_own_network(model, SHAPE, NUM_CLASSES)


@pytest.mark.parametrize(
    ("set_value", "value", "usual"),
    [
        (keras.config.set_image_data_format, "channels_first", "channels_last"),
        (keras.config.set_floatx, "float64", "float32"),
        (keras.config.set_dtype_policy, "mixed_bfloat16", "float32"),
    ],
)
def test_settings_of_keras_are_one_line(set_value, value, usual):
    set_value(value)
    try:
        with pytest.raises(InputError, match=value) as caught:
            check_keras_settings()
    finally:
        set_value(usual)
    caught.match(tiny.ONE_LINE)
    check_keras_settings()


class Counts(L.Layer):
    """Has a metric, whose state is not among the variables."""

    def __init__(self):
        super().__init__()
        self.mean = keras.metrics.Mean()

    def call(self, inputs, training=False):
        if training:
            self.mean.update_state(tf.reduce_mean(inputs))
        return inputs


class Positions(keras.Model):
    """Adds positions, as transformers do, before anything sees the images."""

    def __init__(self):
        super().__init__()
        self.embed = L.Embedding(64, 1)
        self.flatten, self.out = _end()

    def call(self, images):
        places = self.embed(tf.range(64, dtype=tf.float32))
        return self.out(self.flatten(images) + tf.transpose(places))


@pytest.mark.parametrize(
    "model",
    [
        lambda: _ended(L.Dropout(0.5), L.GaussianNoise(1.0), L.Dense(3)),
        lambda: _ended(Counts(), L.Dense(3)),
        Positions,
        lambda: stack(L.Lambda(lambda x: 12.0 * x), *_end()),
    ],
    ids=["draws", "metric", "positions", "wide"],
)
def test_what_is_fine_is_taken(model):
    build(model())


@pytest.mark.parametrize("how", ["variable", "lora"])
def test_weights_frozen_one_by_one_keep_their_values(how):
    layer = L.Dense(NUM_CLASSES, kernel_initializer="he_normal")
    model = _ended(layer)
    layer.set_weights([np.full((64, 3), 7.0), np.zeros(3)])
    if how == "lora":
        layer.enable_lora(2)
    else:
        layer._kernel.trainable = False
    learner = from_keras(lambda: model, second_order=False)
    for seed in range(2):
        params, (kernel,) = learner.init(root_seed(seed))
        np.testing.assert_array_equal(kernel, np.full((64, 3), 7.0))
        assert len(params) == (3 if how == "lora" else 1)


def test_frozen_layers_keep_their_values_and_others_do_not():
    frozen = L.Dense(4, trainable=False)
    model = stack(L.Flatten(), frozen, L.Dense(NUM_CLASSES))
    frozen.set_weights([np.full((64, 4), 0.5), np.full(4, 2.0)])
    learner = from_keras(lambda: model, second_order=False)
    first, statistics = learner.init(root_seed(0))
    second, _ = learner.init(root_seed(1))
    np.testing.assert_array_equal(statistics[0], np.full((64, 4), 0.5))
    np.testing.assert_array_equal(statistics[1], np.full(4, 2.0))
    assert not np.array_equal(first[0], second[0])


def test_values_of_frozen_layers_are_part_of_the_digest():
    def make(value, is_frozen):
        layer = L.Dense(4, trainable=not is_frozen)
        model = stack(L.Flatten(), layer, L.Dense(NUM_CLASSES))
        layer.set_weights([np.full((64, 4), value), np.zeros(4)])
        return network_digest(model)

    assert make(0.5, True) != make(0.6, True)
    assert make(0.5, True) == make(0.5, True)
    assert make(0.5, False) == make(0.6, False)


@pytest.mark.parametrize("bias", ["zeros", "random_normal"])
def test_an_lstm_begins_by_remembering(bias):
    """Keras' own bias has ones for the second of its four gates."""
    lstm = L.LSTM(5, bias_initializer=bias)
    model = stack(L.Reshape((8, 8)), lstm, L.Dense(NUM_CLASSES))
    learner = from_keras(lambda: model, second_order=False)
    (own,) = (v for v in lstm.weights if v.name == "bias")
    place = [id(v) for v in model.trainable_variables].index(id(own))
    drawn = [learner.init(root_seed(n))[0][place].numpy() for n in (0, 1)]
    for value in (own.numpy(), *drawn):
        np.testing.assert_array_equal(value[5:10], np.ones(5))
    rest = [np.delete(value, slice(5, 10)) for value in drawn]
    assert rest[0].shape == (15,)
    assert np.array_equal(*rest) == (bias == "zeros")


def test_weights_of_the_model_itself_and_layers_never_called():
    model = build(OwnWeights("ones"))
    learner = from_keras(lambda: model, second_order=False)
    params, statistics = learner.init(root_seed(0))
    logits, _ = learner.apply(params, statistics, IMAGES, training=True)
    assert logits.shape == (6, NUM_CLASSES)
    assert [v.tolist() for v in map(np.asarray, params)].count([1.0] * 3) == 1
    assert moving_statistics(model, IMAGES) == {}
    with pytest.raises(InputError, match="'temperature' of layer 'own_weig"):
        from_keras(lambda: build(OwnWeights("glorot_uniform")))


def test_an_initializer_may_be_a_name():
    model = stack(L.Flatten(), Plain())
    learner = from_keras(lambda: model, second_order=False)
    first, second = (learner.init(root_seed(n))[0][0] for n in (0, 1))
    assert not np.array_equal(first, second)
    assert np.abs(first).max() <= np.sqrt(6 / (64 + NUM_CLASSES))


def test_initializers_that_no_seed_reaches_are_refused():
    def draw(shape, dtype=None):
        return tf.random.uniform(shape, dtype=dtype)

    model = _ended(L.Dense(3, kernel_initializer=draw, name="mine"))
    with pytest.raises(InputError, match=r"'kernel' of layer 'mine'"):
        from_keras(lambda: model)


def _data(images, labels):
    rates = {"learning_rate": tf.constant(0.1), "momentum": tf.constant(0.0)}
    return SyntheticData(tf.constant(images), tf.constant(labels), rates)


LABELS = np.eye(NUM_CLASSES, dtype="float32")[[0, 1, 2, 0, 1, 2]]


def test_regularisers_are_part_of_the_inner_loss():
    regularizer = keras.regularizers.L2(0.3)
    model = _ended(L.Dense(NUM_CLASSES, kernel_regularizer=regularizer))
    learner = from_keras(lambda: build(model))
    optimizer = SGD
    params, statistics = learner.init(root_seed(0))
    state = LearnerState(params, statistics, optimizer.init(params))
    after = inner_step(learner, optimizer, state, _data(IMAGES, LABELS))
    kernel, bias = params
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        logits = tf.reshape(IMAGES, (6, 64)) @ kernel + bias
        loss = cross_entropy(logits, LABELS)
    gradient = tape.gradient(loss, kernel) + 2 * 0.3 * kernel
    expected = kernel - 0.1 * gradient
    assert_close(after.params[0], expected, num_roundings=64 + 6)


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99])
def test_statistics_are_the_mean_over_the_batches(momentum):
    norm = L.BatchNormalization(momentum=momentum)
    model = build(stack(L.Flatten(), norm, L.Dense(NUM_CLASSES)))
    learner = from_keras(lambda: model, second_order=False)
    params, statistics = learner.init(root_seed(0))
    batches = [_data(IMAGES, LABELS), _data(3 * IMAGES + 1, LABELS)]
    settled = settle_statistics(
        learner,
        moving_statistics(model, IMAGES),
        LearnerState(params, statistics, []),
        batches,
    )
    flat = [np.asarray(batch.images).reshape(6, 64) for batch in batches]
    mean = np.mean([f.mean(axis=0) for f in flat], axis=0)
    variance = np.mean([f.var(axis=0) for f in flat], axis=0)
    largest = np.abs(flat).max()
    assert_close(settled.statistics[0], mean, 2 * 6, largest)
    assert_close(settled.statistics[1], variance, 2 * 6, largest**2)


@pytest.mark.parametrize("make", [Subclassed, NamesTraining])
def test_a_call_without_training_still_trains_its_layers(make):
    model = build(make())
    learner = from_keras(lambda: model, second_order=False)
    params, statistics = learner.init(root_seed(0))
    trained, moved = learner.apply(params, statistics, IMAGES, training=True)
    asked, kept = learner.apply(params, statistics, IMAGES, training=False)
    assert not np.allclose(trained, asked)
    assert not np.allclose(moved[0], statistics[0])
    np.testing.assert_array_equal(kept[0], statistics[0])


class AsksNotToTrain(keras.Model):
    """As people freeze a part; its batch normalisation is trainable yet."""

    def __init__(self):
        super().__init__()
        self.flatten, self.out = L.Flatten(), L.Dense(NUM_CLASSES)
        self.still, self.moved = L.BatchNormalization(), L.BatchNormalization()

    def call(self, images, training=False):
        still = self.still(self.flatten(images), training=False)
        return self.out(self.moved(still, training=training))


def test_statistics_that_no_training_call_moves_stay():
    model = build(AsksNotToTrain())
    learner = from_keras(lambda: model, second_order=False)
    params, statistics = learner.init(root_seed(0))
    state = LearnerState(params, statistics, [])
    moving = moving_statistics(model, IMAGES)
    batch = SyntheticData(tf.constant(IMAGES), None, {})
    settled = settle_statistics(learner, moving, state, [batch])
    names = [v.path for v in model.non_trainable_variables]
    found = dict(zip(names, settled.statistics, strict=True))
    pixels = IMAGES.reshape(len(IMAGES), -1)
    for layer, mean, variance in (
        (model.still, np.zeros(64), np.ones(64)),
        (model.moved, pixels.mean(axis=0), pixels.var(axis=0)),
    ):
        # The first divides by the root of 1 + epsilon, of Keras 1e-3.
        wide = 1.001 if layer is model.moved else 1.0
        mean, variance = mean / np.sqrt(wide), variance / wide
        assert_close(found[layer.moving_mean.path], mean, 64, 1.0)
        assert_close(found[layer.moving_variance.path], variance, 64, 4.0)
    by_batch = normalizing_by_the_batch(learner, moving)
    logits, _ = by_batch.apply(params, statistics, IMAGES, training=False)
    trained, _ = learner.apply(params, statistics, IMAGES, training=True)
    assert_close(logits, trained, 64, 4.0)


class Block(L.Layer):
    def __init__(self):
        super().__init__()
        self.norm = L.BatchNormalization(name="norm")

    def call(self, values):
        return self.norm(values)


class Siamese(keras.Model):
    """Two blocks name theirs alike; another's statistics never move."""

    def __init__(self):
        super().__init__()
        self.blocks = Block(), Block()
        self.still = L.BatchNormalization(name="still")
        self.flatten, self.out = L.Flatten(), L.Dense(NUM_CLASSES)
        self.shared = L.BatchNormalization(name="shared")
        self.once = L.BatchNormalization(name="once", scale=False, center=False)

    def call(self, images):
        values = self.flatten(images)
        for block in self.blocks:
            values = block(values)
        both = self.shared(values) + self.shared(3.0 * values)
        once = self.once(both)
        # After it Keras lets no other layer train that is not told to.
        for _ in range(2):
            once = self.still(once, training=False)
        return self.out(once)

    def train_step(self, data):
        raise NotImplementedError


def test_what_is_not_done_as_in_keras_is_told(caplog):
    build(Siamese())
    assert "calls 'shared' more than once" in caplog.text
    for name in ("once", "norm", "still"):
        assert f"'{name}'" not in caplog.text
    assert "has a train_step of its own" in caplog.text
    caplog.clear()
    build(Subclassed())
    assert not caplog.text


def test_a_network_that_lives_on_is_as_it_was():
    norm = L.BatchNormalization(epsilon=0.1)
    model = stack(
        *(L.Rescaling(1 / 255), L.Flatten(), norm),
        L.Dense(NUM_CLASSES, activation="softmax"),
    )
    kinds = [type(layer) for layer in model._flatten_layers()]
    with changes_undone():
        kept = build(model)
        from_keras(lambda: kept)
        build(model)  # such as another builder that shares it
        change(norm, "momentum", 0.0)
        change(norm, "momentum", 0.5)
        assert [type(layer) for layer in model._flatten_layers()] != kinds
        assert model.layers[-1].activation is keras.activations.linear
    assert [type(layer) for layer in model._flatten_layers()] == kinds
    assert norm.momentum == 0.99
    shares = model(255 * IMAGES).numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    # What is changed outside stays.
    change(norm, "momentum", 0.5)
    assert norm.momentum == 0.5
