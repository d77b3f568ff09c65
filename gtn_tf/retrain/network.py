"""The network that is trained to the end: training form, regularised.

To `cells.network`'s structure come drop path behind every operation but
identities, dropout before the classifier, and an auxiliary head on the second
reduction cell's output: ReLU, average pool 5 with stride 3, 1x1 convolution to
128 channels, 2x2 convolution to 768, each with batch normalisation and ReLU,
and a dense layer (NAO). It wants the 8x8 pixels that are left of 32x32; of
other sizes the pool leaves 2x2 pixels as well.
"""

import dataclasses
from typing import NamedTuple

import keras

from gtn_tf.layers.initializers import he_normal
from gtn_tf.layers.spec import LayerSpec
from gtn_tf.retrain.drop_path import SeededDropout
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.network import FORMS, KerasAssembler
from gtn_tf.search_spaces.cells.structure import NetworkSize, assemble
from gtn_tf.types import InputError


class Regularization(NamedTuple):
    """What is in the network in training only.

    Attributes:
      dropout_keep: share kept before the classifier.
      drop_path_keep: share kept in the last cell, at the end of the training.
      has_auxiliary_head: whether there is one.
    """

    dropout_keep: float
    drop_path_keep: float
    has_auxiliary_head: bool


class _Assembler(KerasAssembler):
    """Adds the regularisation to what `KerasAssembler` makes."""

    def __init__(self, spec: LayerSpec, regularization: Regularization) -> None:
        super().__init__(spec)
        self._regularization = regularization
        self.auxiliary_logits: keras.KerasTensor | None = None

    def drop_path(
        self, inputs: keras.KerasTensor, depth: float
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        share = (1.0 - self._regularization.drop_path_keep) * depth
        return self._drop(inputs, share, per_image=True)

    def _drop(
        self, inputs: keras.KerasTensor, share: float, per_image: bool
    ) -> keras.KerasTensor:
        if share == 0:
            return inputs
        return SeededDropout(share, per_image, dtype=self.spec.dtype)(inputs)

    def classify(
        self, inputs: keras.KerasTensor, num_classes: int
    ) -> keras.KerasTensor:
        """See `Assembler`."""
        pooled = self.global_pool(inputs)
        share = 1.0 - self._regularization.dropout_keep
        dropped = self._drop(pooled, share, per_image=False)
        return self.dense(dropped, num_classes)

    def after_second_reduction(
        self, inputs: keras.KerasTensor, num_classes: int
    ) -> None:
        """Makes the auxiliary head.

        Raises:
          InputError: too few pixels are left for one.
        """
        if not self._regularization.has_auxiliary_head:
            return
        if min(inputs.shape[1:3]) < 2:
            raise InputError(
                "the auxiliary head has "
                f"{'x'.join(map(str, inputs.shape[1:3]))} pixels left; "
                "expected 2x2, of images of 5x5; set "
                "--config.retrain.auxiliary_weight=0 or a larger "
                "--config.dataset.image_size"
            )
        dtype = self.spec.dtype
        # Two places per axis, at the edges: 8 pixels by 5 with stride 3.
        pool = [min(-(-5 * n // 8), n - 1) for n in inputs.shape[1:3]]
        strides = [n - p for n, p in zip(inputs.shape[1:3], pool, strict=True)]
        outputs = keras.layers.AveragePooling2D(
            tuple(pool), tuple(strides), dtype=dtype
        )(self.activation(inputs))
        for filters, kernel in ((128, 1), (768, 2)):
            outputs = keras.layers.Conv2D(
                filters,
                kernel,
                use_bias=False,
                kernel_initializer=he_normal(),
                dtype=dtype,
            )(outputs)
            outputs = self.activation(self.normalization(outputs))
        flat = keras.layers.Flatten(dtype=dtype)(outputs)
        self.auxiliary_logits = self.dense(flat, num_classes)


def build_retrain_network(
    genotype: Genotype,
    size: NetworkSize,
    regularization: Regularization,
    dtype: str = "float32",
) -> keras.Model:
    """Builds a network: [B, H, W, C] images -> one or two logits [B, K].

    Args:
      genotype: its cells.
      size: N, F, (H, W, C) and K.
      regularization: see there.
      dtype: Keras dtype policy name; logits are float32.

    Returns:
      A model whose output is the logits, or, with an auxiliary head, a list:
      logits, and those of the head.
    """
    spec = dataclasses.replace(FORMS["training"], dtype=dtype)
    make = _Assembler(spec, regularization)
    images = keras.Input(size.image_shape, dtype="float32")
    outputs = [assemble(genotype, size, images, make)]
    if make.auxiliary_logits is not None:
        outputs.append(make.auxiliary_logits)
    return keras.Model(images, outputs, name=f"cell_{genotype.key()}")


def without_auxiliary_head(model: keras.Model) -> keras.Model:
    """Returns the part that makes the logits; it shares the variables."""
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
