"""Keras layers whose first AND second derivatives are right.

The meta-gradient differentiates the learner's own gradient, so every learner
layer is differentiated twice. Three of Keras' are wrong there, silently:

* its batch, layer and group normalisation: `tf.nn.moments` stops the gradient
  of the mean inside the variance, harmless once, wrong twice (see
  `normalization`);
* stride-1 `SAME` max-pooling in CPU graph mode (see `pooling`);
* bilinear resizing: its gradient is registered as not differentiable.

`gtn_tf.layers.NAME` imports a layer, and with it TensorFlow, when it is asked
for. A new layer is a file here, a line below, and a test of its second
derivative. Imports only `types` and `ops`.
"""

import importlib
from typing import Any

#: Layer -> its module.
_LAYERS = {
    "BatchNormalization": "normalization",
    "MaxPool2D": "pooling",
    "Shift": "shifts",
    "Subsample": "shifts",
    "WeightNormConv2D": "weight_norm",
    "WeightNormDense": "weight_norm",
    "WeightNormDepthwiseConv2D": "weight_norm",
    "WidthMask": "masks",
}
__all__ = sorted(_LAYERS)


def __getattr__(name: str) -> Any:
    if name in _LAYERS:
        module = importlib.import_module(f"gtn_tf.layers.{_LAYERS[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
