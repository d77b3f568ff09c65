"""The least memory that a config asks for, before any of it is taken.

What is counted is there at one moment for certain; what TensorFlow adds is
not, so that nothing is refused that could run. Numbers that were not meant ask
for many times what any machine has.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

from ml_collections import config_dict

from gtn_tf.config import FIELDS
from gtn_tf.config.families import learner_names, learner_widths
from gtn_tf.datasets.memory import memory_bytes
from gtn_tf.learners.registry import CELL, FAMILIES, POOL
from gtn_tf.types import InputError

_FLOAT = 4  # bytes
_TRAINED = 4  # a value, its gradient and the two means of Adam
_STATE = 2  # of a learner: parameters and momenta


@dataclasses.dataclass(frozen=True)
class Part:
    """One thing that is kept.

    Attributes:
      name: in messages.
      num_floats: of 32 bits.
      keys: of the config, that it grows with.
    """

    name: str
    num_floats: int
    keys: tuple[str, ...]


def check_memory(config: config_dict.ConfigDict, parts: Sequence[Part]) -> None:
    """Refuses what is larger than the memory.

    Args:
      config: validated; says which key is furthest above its default.
      parts: what is there at the same time.

    Raises:
      InputError: with the bytes of each part and the key to lower.
    """
    total = _FLOAT * sum(part.num_floats for part in parts)
    limit = memory_bytes()
    if total <= limit:
        return
    by_size = sorted(parts, key=lambda part: -part.num_floats)
    listed = ", ".join(
        f"{part.name} {_in_words(_FLOAT * part.num_floats)}" for part in by_size
    )
    key = max(by_size[0].keys, key=lambda key: _excess(config, key))
    raise InputError(
        f"this needs at least {_in_words(total)} ({listed}); expected at most "
        f"the {_in_words(limit)} of this machine; lower --config.{key}"
    )


def meta_training_parts(
    config: config_dict.ConfigDict,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> list[Part]:
    """Returns what a meta-training keeps: (H, W, C) images of K classes."""
    inner = config.inner
    steps_keys = ("inner.num_steps", "inner.batch_size")
    num_images = inner.num_steps * inner.batch_size
    pixels = math.prod(image_shape)
    learner = max(
        (
            _learner_size(config, name, widths, image_shape, num_classes)
            for name, widths in zip(
                learner_names(config), learner_widths(config), strict=True
            )
        ),
        key=sum,
    )
    num_params, activations = learner
    num_kept = min(inner.truncation_window or inner.num_steps, inner.num_steps)
    width = ("learner.channels", "learner.widths")
    parts = [
        Part("synthetic images", num_images * pixels, steps_keys),
        Part(
            "states of the inner steps",
            num_kept * num_params * _STATE,
            ("inner.num_steps", *width),
        ),
        Part(
            "activations of an inner step",
            inner.batch_size * activations,
            ("inner.batch_size", *width),
        ),
        Part(
            "real images of a meta-loss",
            config.meta.batch_size * (pixels + activations),
            ("meta.batch_size", *width),
        ),
    ]
    if config.source == "gtn":
        parts += _generator_parts(config, image_shape, num_classes)
    return parts


def transfer_parts(
    config: config_dict.ConfigDict,
    name: str,
    widths: Sequence[Any] | None,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> list[Part]:
    """Returns what a learner takes that is trained and not meta-trained."""
    num_params, activations = _learner_size(
        config, name, widths, image_shape, num_classes
    )
    key = "evaluation.widths"
    return [
        Part(f"states of {name}", num_params * _STATE, (key,)),
        Part(
            "activations of an inner step",
            config.inner.batch_size * activations,
            ("inner.batch_size", key),
        ),
    ]


def network_parts(
    group: str,
    channels: int,
    batch_key: str,
    batch_size: int,
    image_shape: tuple[int, int, int],
) -> list[Part]:
    """Returns what training one cell network takes, of F channels.

    Args:
      group: `search` or `retrain`, of the keys.
      channels: F.
      batch_key: of the group, that sets the images per step.
      batch_size: images per step.
      image_shape: (H, W, C).
    """
    height, width, _ = image_shape
    keys = f"{group}.channels", f"{group}.{batch_key}"
    pixels = batch_size * math.prod(image_shape)
    # The last cells have 4 F channels; one 1x1 convolution is the least.
    return [
        Part("parameters", _TRAINED * (4 * channels) ** 2, keys[:1]),
        Part("activations", batch_size * height * width * channels, keys),
        Part("images of a step", pixels, keys[1:]),
    ]


def _learner_size(
    config: config_dict.ConfigDict,
    name: str,
    widths: Sequence[Any] | None,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> tuple[int, int]:
    """Returns the least parameters, and activations for one image."""
    height, width, channels = image_shape
    if name == CELL:
        num_channels = config.learner.channels
        least = 9 * channels * num_channels + num_channels**2
        return least, height * width * num_channels
    if name not in FAMILIES:
        return 0, 0  # a person's own, known once it is built
    family = FAMILIES[name]
    highest = [
        w if isinstance(w, int) else w[1] for w in widths or family.widths
    ]
    num_blocks = len(family.blocks)
    num_params = activations = 0
    for units, block in zip(highest, family.blocks, strict=False):
        stride = 2 if block == POOL else block
        num_params += 9 * channels * units
        height, width = -(-height // stride), -(-width // stride)
        activations += height * width * units
        channels = units
    features = channels * (1 if family.global_pool else height * width)
    for units in [*highest[num_blocks:], num_classes]:
        num_params += features * units
        activations += units
        features = units
    return num_params, activations


def _generator_parts(
    config: config_dict.ConfigDict,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> list[Part]:
    generator = config.generator
    height, width, channels = image_shape
    quarter = -(-height // 4) * -(-width // 4)
    first, second = generator.channels
    sizes = [
        generator.noise_dim + num_classes,
        *generator.dense_widths,
        quarter * first,
    ]
    num_params = sum(a * b for a, b in itertools.pairwise(sizes))
    num_params += 9 * first * second + 9 * second * channels
    batch_size = config.inner.batch_size
    num_images = config.inner.num_steps * batch_size
    at_once = batch_size if generator.rematerialize else num_images
    keys = (
        *("generator.noise_dim", "generator.dense_widths"),
        "generator.channels",
    )
    return [
        Part(
            "noise",
            num_images * generator.noise_dim,
            ("inner.num_steps", "inner.batch_size", "generator.noise_dim"),
        ),
        Part("the generator's parameters", _TRAINED * num_params, keys),
        Part(
            "the generator's activations",
            at_once * (sum(sizes[1:]) + 4 * quarter * second),
            ("inner.num_steps", "inner.batch_size", *keys[1:]),
        ),
    ]


def _excess(config: config_dict.ConfigDict, key: str) -> float:
    """Returns how many times its default a key is; 0 where that means none."""
    group, name = key.split(".")
    value, default = config[group][name], FIELDS[key].default
    return _largest(value) / max(_largest(default), 1)


def _largest(value: Any) -> int:
    if isinstance(value, tuple | list):
        return max(map(_largest, value), default=0)
    return value or 0


def _in_words(num_bytes: int) -> str:
    size = float(num_bytes)
    for unit in ("bytes", "KB", "MB", "GB", "TB", "PB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} EB"
