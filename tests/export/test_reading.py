import functools
import re

import numpy as np
import pytest

from gtn_tf.export.reading import read_arrays
from gtn_tf.export.real_images import RealImages, read_real_images
from gtn_tf.types import InputError
from tests.helpers import tiny

METADATA = {
    "num_inner_steps": 2,
    "inner_batch_size": 3,
    "image_shape": [6, 5, 1],
    "num_classes": 3,
}


def _arrays():
    rng = np.random.default_rng(0)
    return {
        "images": rng.normal(size=(2, 3, 6, 5, 1)).astype(np.float32),
        "labels": np.eye(3, dtype=np.float32)[None].repeat(2, 0),
        "inner_learning_rate": np.ones(2, np.float32),
        "inner_momentum": np.ones(2, np.float32),
    }


def _real_images():
    rng = np.random.default_rng(0)
    examples = rng.integers(0, 256, (3, 2, 6, 5, 1), np.uint8)
    return RealImages(examples, np.zeros(1), np.ones(1))._asdict()


@pytest.mark.parametrize(
    ("arrays", "read"),
    [
        (_arrays(), functools.partial(read_arrays, metadata=METADATA)),
        (_real_images(), read_real_images),
    ],
    ids=["curriculum", "real_images"],
)
def test_any_flipped_byte_is_one_line_or_harmless(tmp_path, arrays, read):
    path = tmp_path / "damaged.npz"
    np.savez_compressed(path, **arrays)  # as Teacher.save does
    read(path)
    content = path.read_bytes()
    messages = []
    for place in range(0, len(content), 3):
        changed = bytearray(content)
        changed[place] ^= 255
        path.write_bytes(changed)
        try:
            read(path)
        except InputError as error:
            messages.append(str(error))
    for message in messages:
        assert re.match(tiny.ONE_LINE, message)
        assert message.startswith(f"{str(path)!r} is damaged (")
    found = "".join(messages)
    # zlib.error, NotImplementedError and BadZipFile.
    for reason in ("while decompressing", "not supported", "Bad CRC-32"):
        assert reason in found
