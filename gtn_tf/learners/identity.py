"""Which network a builder makes, as a hash that another process finds again.

Keras numbers the layers of a process (`dense_7`), so that names are replaced by
positions; initial values do not count, initializers do. Those of frozen layers
count, as they stay.
"""

import hashlib
import json
import re
from typing import Any

import keras

from gtn_tf.types import PERSONS_ERRORS


def network_digest(model: keras.Model) -> str:
    """Returns a hash, in hexadecimal, of a built network's structure.

    Equal for equal layers, settings, shapes of weights and connections, and
    equal values of frozen layers; of a subclassed model the connections, which
    only its code says, do not count.
    """
    layers = model._flatten_layers(include_self=True, recursive=True)
    parts = [
        (
            *(type(layer).__name__, _settings(layer), _shapes(layer)),
            *([] if layer.trainable else [_values(layer)]),
        )
        for layer in layers
    ]
    text = json.dumps(parts, sort_keys=True, default=_name_of)
    positions: dict[str, str] = {}
    for layer in layers:
        positions.setdefault(layer.name, f"#{len(positions)}")
    names = sorted(map(re.escape, positions), key=len, reverse=True)
    quoted = re.compile(f'"({"|".join(names)})(?=["/])')
    text = quoted.sub(lambda found: f'"{positions[found[1]]}', text)
    return hashlib.sha256(text.encode()).hexdigest()


def _settings(layer: keras.layers.Layer) -> Any:
    try:
        return layer.get_config()
    except PERSONS_ERRORS:
        return None


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _values(layer: keras.layers.Layer) -> str:
    digest = hashlib.sha256()
    for weight in layer.weights:
        digest.update(weight.value.numpy().tobytes())
    return digest.hexdigest()


def _name_of(value: Any) -> str:
    # Not repr, which may hold an address.
    return getattr(value, "__name__", type(value).__name__)
