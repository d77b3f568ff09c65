"""What is swapped or refused of a Keras model: its gradients would be wrong.

A layer whose function `layers.twice_differentiable` has too becomes one of
those, within the model that holds it.
"""

import os

import keras
from absl import logging

from gtn_tf.layers import twice_differentiable
from gtn_tf.learners.undoing import change
from gtn_tf.types import InputError

_SAFE_CHANNELS = 16  # the fewest with which no crash was seen

#: Keras layers whose second derivative is wrong or missing -> what to use
#: where a layer cannot be swapped.
_WRONG_AT_SECOND_ORDER = {
    "BatchNormalization": "gtn_tf.layers.BatchNormalization",
    "LayerNormalization": "keras.layers.RMSNormalization",
    "GroupNormalization": "gtn_tf.layers.BatchNormalization",
    "SpectralNormalization": "gtn_tf.layers.WeightNormConv2D",
    "MaxPooling1D": "gtn_tf.layers.MaxPool2D",
    "MaxPooling2D": "gtn_tf.layers.MaxPool2D",
    "Resizing": "keras.layers.UpSampling2D(interpolation='nearest')",
    "UpSampling2D": "keras.layers.UpSampling2D(interpolation='nearest')",
    "RandomShear": "augmentation by cropping and flipping",
    "RandomRotation": "augmentation by cropping and flipping",
    "RandomTranslation": "augmentation by cropping and flipping",
    "RandomZoom": "augmentation by cropping and flipping",
}


def _is_wrong(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, keras.layers.UpSampling2D):
        return layer.interpolation != "nearest"
    if isinstance(layer, keras.layers.MaxPooling1D | keras.layers.MaxPooling2D):
        return layer.padding == "same" or max(layer.strides) == 1
    return True


def _is_same_function(layer: keras.layers.Layer) -> bool:
    """Whether the layer's twin computes what it does."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return not getattr(layer, "renorm", False)
    if isinstance(layer, keras.layers.Resizing):
        return not (layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio)
    return True


def swap_second_order(model: keras.Model) -> None:
    """Makes a model's layers right at second order, where they are not.

    Raises:
      InputError: naming the first layer for which that is not possible, and
        its replacement.
    """
    swapped = []
    for layer in model._flatten_layers(include_self=False):
        for name, replacement in _WRONG_AT_SECOND_ORDER.items():
            cls = getattr(keras.layers, name)
            if type(layer).__module__ == twice_differentiable.__name__:
                continue
            if not isinstance(layer, cls) or not _is_wrong(layer):
                continue
            twin = getattr(twice_differentiable, name, None)
            # A subclass may compute something else.
            if twin is None or type(layer) is not cls:
                raise _wrong(layer, name, replacement)
            if not _is_same_function(layer):
                raise _wrong(layer, name, replacement)
            change(layer, "__class__", twin)
            swapped.append(f"'{layer.name}' ({name})")
    if swapped:
        more = f" and {len(swapped) - 3} more layers" if swapped[3:] else ""
        statistics = "; batch normalisation keeps the last batch's statistics"
        logging.warning(
            "Model '%s': %s%s become layers of the same function that can be "
            "differentiated twice%s.",
            model.name,
            ", ".join(swapped[:3]),
            more,
            statistics if "BatchNormalization" in "".join(swapped) else "",
        )


def _wrong(
    layer: keras.layers.Layer, name: str, replacement: str
) -> InputError:
    return InputError(
        f"layer '{layer.name}' ({name}) has a wrong second derivative; "
        "meta-training differentiates a learner twice; use "
        f"{replacement} instead"
    )


def swap_strided_pointwise(model: keras.Model) -> None:
    """Swaps what would end the process; see `layers.Subsample`.

    Raises:
      InputError: naming the first such layer that is subclassed.
    """
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return
    for layer in model._flatten_layers(include_self=False):
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        if not (
            tuple(layer.kernel_size) == (1, 1)
            and max(layer.strides) > 1
            and layer.padding == "same"
            and min(layer.kernel.shape[2:]) < _SAFE_CHANNELS
        ):
            continue
        if type(layer) is keras.layers.Conv2D and layer.groups == 1:
            change(layer, "__class__", twice_differentiable.PointwiseConv2D)
        elif not isinstance(layer, twice_differentiable.PointwiseConv2D):
            raise InputError(
                f"layer '{layer.name}' is a 1x1 convolution with stride "
                f"{max(layer.strides)}, padding 'same' and fewer than "
                f"{_SAFE_CHANNELS} channels; TensorFlow's gradient of it can "
                "crash on CPU; put gtn_tf.layers.Subsample in front and take "
                "the stride away, or set TF_ENABLE_ONEDNN_OPTS=0"
            )
