"""What is refused of a Keras model, because its gradients are wrong."""

import os

import keras

from gtn_tf.types import InputError

_SAFE_CHANNELS = 16  # the fewest with which no crash was seen

#: Keras layers whose second derivative is wrong or missing -> what to use.
_WRONG_AT_SECOND_ORDER = {
    "BatchNormalization": "gtn_tf.layers.BatchNormalization",
    "LayerNormalization": "keras.layers.RMSNormalization",
    "GroupNormalization": "gtn_tf.layers.BatchNormalization",
    "SpectralNormalization": "gtn_tf.layers.WeightNormConv2D",
    "MaxPooling2D": "gtn_tf.layers.MaxPool2D",
    "Resizing": "keras.layers.UpSampling2D(interpolation='nearest')",
    "UpSampling2D": "keras.layers.UpSampling2D(interpolation='nearest')",
    "RandomRotation": "augmentation by cropping and flipping",
    "RandomTranslation": "augmentation by cropping and flipping",
    "RandomZoom": "augmentation by cropping and flipping",
}


def _is_wrong(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, keras.layers.UpSampling2D):
        return layer.interpolation != "nearest"
    if isinstance(layer, keras.layers.MaxPooling2D):
        return layer.padding == "same" and tuple(layer.strides) == (1, 1)
    return True


def check_second_order(model: keras.Model) -> None:
    """Refuses a model that cannot be differentiated twice.

    Raises:
      InputError: naming the first such layer and its replacement.
    """
    for layer in model._flatten_layers(include_self=False):
        for name, replacement in _WRONG_AT_SECOND_ORDER.items():
            cls = getattr(keras.layers, name)
            if isinstance(layer, cls) and _is_wrong(layer):
                raise InputError(
                    f"layer '{layer.name}' ({name}) has a wrong second "
                    "derivative; meta-training differentiates a learner "
                    f"twice; use {replacement} instead"
                )


def check_strided_pointwise(model: keras.Model) -> None:
    """Refuses what would end the process; see `layers.Subsample`."""
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return
    for layer in model._flatten_layers(include_self=False):
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        if (
            tuple(layer.kernel_size) == (1, 1)
            and max(layer.strides) > 1
            and layer.padding == "same"
            and min(layer.kernel.shape[2:]) < _SAFE_CHANNELS
        ):
            raise InputError(
                f"layer '{layer.name}' is a 1x1 convolution with stride "
                f"{max(layer.strides)}, padding 'same' and fewer than "
                f"{_SAFE_CHANNELS} channels; TensorFlow's gradient of it can "
                "crash on CPU; put gtn_tf.layers.Subsample in front and take "
                "the stride away, or set TF_ENABLE_ONEDNN_OPTS=0"
            )
