import keras
import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.retrain.drop_path import SeededDropout, dropout_layers
from gtn_tf.retrain.network import (
    Regularization,
    build_retrain_network,
    without_auxiliary_head,
)
from gtn_tf.search_spaces.cells.cost import cell_network_cost
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.network import FORMS, build_cell_network
from gtn_tf.search_spaces.cells.structure import NetworkSize
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.float_tolerance import assert_close

# An identity and an operation per cell.
_GENOTYPE = Genotype.from_text("conv1x1@0+identity@1:2/identity@0+max3x3@1:2")
_SIZE = NetworkSize(1, 2, (32, 32, 3), 10)
_REGULARIZATION = Regularization(0.6, 0.8, True)
#: Terms of the longest sums: the stem, 1x1 convolutions, the pool, the logits.
_NUM_ROUNDINGS = 9 * 3 + 5 * 16 + 8 * 8 + 8


@pytest.fixture(scope="module")
def model():
    return build_retrain_network(_GENOTYPE, _SIZE, _REGULARIZATION)


def test_drop_path_rises_with_depth_and_spares_identities(model):
    *paths, dropout = dropout_layers(model)
    # One of two operations in each of five cells.
    np.testing.assert_allclose(
        [layer.drop_share for layer in paths],
        [0.2 * cell / 5 for cell in (1, 2, 3, 4, 5)],
        rtol=1e-12,
    )
    assert all(layer.per_image for layer in paths)
    assert (dropout.drop_share, dropout.per_image) == (0.4, False)
    assert dropout.output.shape == (None, 2 * 4)  # before the classifier


def test_nothing_is_dropped_where_all_is_kept():
    model = build_retrain_network(
        _GENOTYPE, _SIZE, Regularization(1.0, 1.0, False)
    )
    assert not dropout_layers(model)


def test_the_auxiliary_head_is_naos(model):
    logits, auxiliary = model.outputs
    assert (logits.shape, auxiliary.shape) == ((None, 10), (None, 10))
    (pool,) = (
        x for x in model.layers if isinstance(x, keras.layers.AveragePooling2D)
    )
    assert pool.pool_size == (5, 5)
    assert pool.strides == (3, 3)
    assert pool.input.shape == (None, 8, 8, 8)  # of the second reduction
    assert pool.output.shape == (None, 2, 2, 8)
    # 1x1 and 2x2 without bias, two normalisations, the dense layer.
    head = 8 * 128 + 2 * 128 + 4 * 128 * 768 + 2 * 768 + 768 * 10 + 10
    cost = cell_network_cost(_GENOTYPE, *_SIZE)
    assert model.count_params() - sum(
        int(np.prod(v.shape)) for v in model.non_trainable_variables
    ) == (cost.params + head)


@pytest.mark.parametrize(
    ("pixels", "pool", "stride"), [(8, 1, 1), (16, 3, 1), (28, 5, 2)]
)
def test_the_auxiliary_head_fits_other_sizes(pixels, pool, stride):
    size = _SIZE._replace(num_cells=0, image_shape=(pixels, pixels, 1))
    model = build_retrain_network(_GENOTYPE, size, _REGULARIZATION)
    (layer,) = (
        x for x in model.layers if isinstance(x, keras.layers.AveragePooling2D)
    )
    assert layer.pool_size == (pool, pool)
    assert layer.strides == (stride, stride)
    assert layer.output.shape[1:3] == (2, 2)


@pytest.mark.parametrize("shape", [(4, 4, 1), (32, 3, 1)])
def test_too_few_pixels_for_the_auxiliary_head_are_one_line(shape):
    size = _SIZE._replace(num_cells=0, image_shape=shape)
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        build_retrain_network(_GENOTYPE, size, _REGULARIZATION)


def _trained_a_little(model):
    """Gives all weights values that no initializer gives."""
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name not in ("seed", "ramp"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape) * 0.3)


def _images(number=3):
    rng = np.random.default_rng(1)
    return tf.constant(rng.normal(size=(number, 32, 32, 3)), tf.float32)


def _as_made(model):
    """Layers with weights in the order in which they were made, by class."""
    kept = (
        x
        for x in model.layers
        if x.weights and not isinstance(x, SeededDropout)
    )

    def place(layer):
        kind, _, number = layer.name.rpartition("_")
        return (kind, int(number)) if number.isdigit() else (layer.name, 0)

    return sorted(kept, key=place)


def test_at_inference_it_is_the_plain_network(model):
    """Also: the auxiliary head is gone, and running statistics count."""
    _trained_a_little(model)
    network = without_auxiliary_head(model)
    plain = build_cell_network(_GENOTYPE, *_SIZE, spec=FORMS["training"])
    for layer, trained in zip(_as_made(plain), _as_made(network), strict=True):
        for variable, value in zip(layer.weights, trained.weights, strict=True):
            variable.assign(value)
    logits = network(_images(), training=False)
    assert_close(logits, plain(_images(), training=False), _NUM_ROUNDINGS)
    # One by one as in a batch: no statistics of the batch.
    one_by_one = [
        network(image[None], training=False)[0] for image in _images()
    ]
    assert_close(logits, one_by_one, _NUM_ROUNDINGS)
    assert not np.allclose(logits, network(_images(), training=True))


# Keras and NumPy 2 disagree on a keyword.
@pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")
def test_an_export_gives_the_same_logits(model, tmp_path):
    _trained_a_little(model)
    network = without_auxiliary_head(model)
    logits = network(_images(), training=False)
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(_images(), training=False), logits)
    network.export(str(tmp_path / "saved_model"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved_model"))
    assert_close(served.serve(_images()), logits, _NUM_ROUNDINGS)


def test_logits_are_float32_under_bfloat16():
    model = build_retrain_network(
        _GENOTYPE,
        _SIZE._replace(num_cells=0),
        _REGULARIZATION,
        "mixed_bfloat16",
    )
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    outputs, _ = model.stateless_call(
        [v.value for v in model.trainable_variables],
        [v.value for v in model.non_trainable_variables],
        _images(),
        training=True,
    )
    assert [x.dtype for x in outputs] == [tf.float32] * 2
    pool = next(
        x
        for x in model.layers
        if isinstance(x, keras.layers.GlobalAveragePooling2D)
    )
    assert pool.output.dtype == "bfloat16"
