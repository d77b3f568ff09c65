"""Ordinary networks, drawn by a seed, as learners of meta-training.

    stage: [convolution 3x3 - (batch normalisation) - activation] x 1 or 2,
    with or without a shortcut around it - pool 2x2; head: flatten or global
    average - (dense - activation) - logits

As people build them in Keras, with its epsilon and biases, but of layers that
are right at second order. Every ingredient is dealt out evenly over the
networks that are drawn; but those without normalisation have no shortcuts and
are flattened. What a network normalises by is always the batch it is asked
about, in evaluation as in training: after a few steps running statistics mean
nothing, and the last small batch's little.
"""

import dataclasses

import keras
import numpy as np

from gtn_tf import layers
from gtn_tf.learners.batch_statistics import always_in_training
from gtn_tf.learners.functional import Learner, from_keras

#: Channels of a stage, units of a dense layer. No power of two, which people
#: take: so no network that they build is drawn.
WIDTHS = (12, 20, 24, 28, 40, 48)
_MOST_STAGES = 3
_KERAS_EPSILON = 1e-3

_CHOICES = {
    "num_stages": (1, 2, 3),
    "num_convs": (1, 2),
    "normalized": (True, False),
    "activation": ("relu", "leaky_relu", "elu", "silu"),
    "initializer": ("glorot_uniform", "he_normal"),
    "pooling": ("max", "average"),
    "residual": (False, True),
    "separable": (False, False, True),
    "head": ("flatten", "global"),
    "hidden": (0, 0, *WIDTHS),
}


@dataclasses.dataclass(frozen=True)
class OrdinaryNetwork:
    """A network of the pool.

    Attributes:
      widths: channels of each stage, rising.
      num_convs: of a stage.
      normalized: batch normalisation after each convolution, or none.
      activation: Keras' name.
      initializer: of kernels, Keras' name.
      pooling: "max" or "average", at the end of a stage.
      residual: a shortcut around the convolutions of a stage.
      separable: depthwise separable convolutions, but for the first.
      head: "flatten" or "global".
      hidden: units of a dense layer before the logits; 0: none.
    """

    widths: tuple[int, ...]
    num_convs: int
    normalized: bool
    activation: str
    initializer: str
    pooling: str
    residual: bool
    separable: bool
    head: str
    hidden: int

    @property
    def text(self) -> str:
        """Names all that it is made of, such as in messages."""
        parts = (
            "-".join(f"{width}x{self.num_convs}" for width in self.widths),
            *("residual",) * self.residual,
            *("separable",) * self.separable,
            *("batch_norm",) * self.normalized,
            *(self.activation, self.initializer, self.pooling, self.head),
            *(str(self.hidden),) * (self.hidden > 0),
        )
        return "_".join(parts)


def draw_networks(
    number: int, image_shape: tuple[int, int, int], seed: int
) -> list[OrdinaryNetwork]:
    """Draws networks for images of a size: each stage halves them.

    Args:
      number: how many.
      image_shape: (H, W, C); at least two pixels are left of a side.
      seed: equal seeds give equal networks.
    """
    rng = np.random.default_rng(seed)
    dealt = {}
    for name, choices in _CHOICES.items():
        # All of them in turn, in an order of the seed's.
        shuffled = rng.permutation(len(choices))
        places = rng.permutation(np.resize(shuffled, number))
        dealt[name] = [choices[place] for place in places]
    drawn_widths = rng.choice(WIDTHS, (number, _MOST_STAGES))
    largest = max(1, int(np.log2(min(image_shape[:2]))) - 1)
    networks = []
    for index in range(number):
        chosen = {name: values[index] for name, values in dealt.items()}
        if not chosen["normalized"]:
            # As people do: sums of what nothing normalises blow up, averages
            # of it hardly move.
            chosen |= {"residual": False, "head": "flatten"}
        num_stages = min(chosen.pop("num_stages"), largest)
        widths = sorted(drawn_widths[index, :num_stages].tolist())
        networks.append(OrdinaryNetwork(tuple(widths), **chosen))
    return networks


def ordinary_learners(
    number: int,
    image_shape: tuple[int, int, int],
    num_classes: int,
    seed: int,
    dtype: str = "float32",
) -> tuple[Learner, ...]:
    """Makes learners of `draw_networks`; arguments as there and of `build`."""
    return tuple(
        as_ordinary_learner(network, image_shape, num_classes, dtype)
        for network in draw_networks(number, image_shape, seed)
    )


def as_ordinary_learner(
    network: OrdinaryNetwork,
    image_shape: tuple[int, int, int],
    num_classes: int,
    dtype: str = "float32",
) -> Learner:
    """Makes a learner that normalises by the batch it is asked about."""
    learner = from_keras(
        lambda: build(network, image_shape, num_classes, dtype)
    )
    return always_in_training(learner)._replace(name=network.text)


def build(
    network: OrdinaryNetwork,
    image_shape: tuple[int, int, int],
    num_classes: int,
    dtype: str = "float32",
) -> keras.Model:
    """Builds a network: [B, H, W, C] images -> [B, K] logits.

    Args:
      network: its ingredients.
      image_shape: (H, W, C).
      num_classes: K.
      dtype: Keras dtype policy name; inputs and logits have its variables'.
    """
    precise = keras.DTypePolicy(dtype).variable_dtype
    inputs = values = keras.Input(image_shape, dtype=precise)
    for stage, width in enumerate(network.widths):
        values = _stage(network, values, width, stage == 0, dtype)
    if network.head == "flatten":
        values = keras.layers.Flatten(dtype=dtype)(values)
    else:
        values = keras.layers.GlobalAveragePooling2D(dtype=dtype)(values)
    if network.hidden:
        dense = keras.layers.Dense(
            network.hidden,
            network.activation,
            kernel_initializer=network.initializer,
            dtype=dtype,
        )
        values = dense(values)
    logits = keras.layers.Dense(
        num_classes, kernel_initializer=network.initializer, dtype=precise
    )
    return keras.Model(inputs, logits(values), name="ordinary")


def _stage(
    network: OrdinaryNetwork,
    values: keras.KerasTensor,
    width: int,
    is_first: bool,
    dtype: str,
) -> keras.KerasTensor:
    shortcut = values
    for number in range(network.num_convs):
        is_plain = (is_first and number == 0) or not network.separable
        values = _conv(network, width, 3, is_plain, dtype)(values)
        if network.normalized:
            norm = layers.BatchNormalization(_KERAS_EPSILON, dtype=dtype)
            values = norm(values)
        if network.residual and number == network.num_convs - 1:
            if shortcut.shape[-1] != width:
                fit = _conv(network, width, 1, True, dtype)
                shortcut = fit(shortcut)
            values = keras.layers.Add(dtype=dtype)([values, shortcut])
        activation = keras.layers.Activation(network.activation, dtype=dtype)
        values = activation(values)
    if network.pooling == "max":
        return layers.MaxPool2D(2, 2, dtype=dtype)(values)
    return keras.layers.AveragePooling2D(2, padding="same", dtype=dtype)(values)


def _conv(
    network: OrdinaryNetwork,
    width: int,
    kernel_size: int,
    is_plain: bool,
    dtype: str,
) -> keras.layers.Layer:
    initial = network.initializer
    if is_plain:
        return keras.layers.Conv2D(
            width,
            kernel_size,
            padding="same",
            kernel_initializer=initial,
            dtype=dtype,
        )
    return keras.layers.SeparableConv2D(
        width,
        kernel_size,
        padding="same",
        depthwise_initializer=initial,
        pointwise_initializer=initial,
        dtype=dtype,
    )
