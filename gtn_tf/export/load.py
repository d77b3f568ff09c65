"""Reads an export: the synthetic data of a GTN, as NumPy arrays.

    teacher = gtn_tf.load("runs/digits")
    for images, labels, learning_rate, momentum in teacher.batches():
        ...  # one inner step of any learner

TensorFlow is imported by methods of `Teacher` alone: those of its generator,
and those that give its data in Keras' words (`keras_fit`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from gtn_tf.datasets.memory import memory_bytes
from gtn_tf.runtime.files import open_to_read, read_json
from gtn_tf.runtime.paths import local_path
from gtn_tf.types import (
    Batch,
    InputError,
    one_line,
)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

FORMAT_VERSION = 1
#: What curriculum.npz holds, in this order.
ARRAYS = ("images", "labels", "inner_learning_rate", "inner_momentum")


class TeacherBatch(NamedTuple):
    """What a learner trains on in one inner step.

    Attributes:
      images: [B, H, W, C] float32, in normalised units.
      labels: [B, K] float32, rows sum to 1.
      inner_learning_rate: of this step.
      inner_momentum: of this step; with Adam its beta_1.
    """

    images: np.ndarray
    labels: np.ndarray
    inner_learning_rate: float
    inner_momentum: float


@dataclasses.dataclass(frozen=True, eq=False)
class Teacher:
    """An export in memory; `len` is T, the number of inner steps.

    Attributes:
      path: the export folder.
      metadata: content of metadata.json.
      images: [T, B, H, W, C] float32, in normalised units.
      labels: [T, B, K] float32.
      inner_learning_rate: [T] float32.
      inner_momentum: [T] float32.
    """

    path: Path
    metadata: dict[str, Any]
    images: np.ndarray
    labels: np.ndarray
    inner_learning_rate: np.ndarray
    inner_momentum: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def batches(self) -> Iterator[TeacherBatch]:
        """Yields the batches in the order of the inner steps."""
        for images, labels, rate, momentum in zip(
            self.images,
            self.labels,
            self.inner_learning_rate,
            self.inner_momentum,
            strict=True,
        ):
            yield TeacherBatch(images, labels, float(rate), float(momentum))

    def dataset(self) -> tf.data.Dataset:
        """Returns the batches, ([B, H, W, C], [B, K]), in their order."""
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices((self.images, self.labels))

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Returns a new optimizer with the rate and momentum of each step."""
        from gtn_tf.export.keras_fit import InnerStepOptimizer

        return InnerStepOptimizer(
            self.metadata["inner_optimizer"],
            self.inner_learning_rate.tolist(),
            self.inner_momentum.tolist(),
        )

    def loss(self) -> keras.losses.Loss:
        """Returns the mean cross-entropy of logits [B, K], labels [B, K]."""
        import keras

        return keras.losses.CategoricalCrossentropy(from_logits=True)

    def callback(self) -> keras.callbacks.Callback:
        """Returns what refuses a fit in another order, by an InputError.

        It takes care of batch normalisation too, as `gtn_tf.nas.rank` does.
        """
        from gtn_tf.export.keras_fit import InOrder

        return InOrder(self.images)

    def was_made_with(self, mean: Sequence[float]) -> bool:
        """Whether these are the channel means of its training images.

        Another split of the same data set has others.
        """
        own = self.metadata["normalisation"]["mean"]
        return np.allclose(own, mean, rtol=1e-9, atol=0)

    def generate(self, noise: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Returns images [B, H, W, C] of noise [B, Z] and labels [B, K].

        Raises:
          InputError: there is no generator, or its SavedModel is damaged.
        """
        endpoint = self._endpoint("generate")
        given = (np.asarray(v, np.float32) for v in (noise, labels))
        return endpoint(*given)["images"].numpy()

    def sample(self, label_ids: np.ndarray, seed: int) -> Batch:
        """Returns B fresh examples of given labels, as NumPy arrays.

        Args:
          label_ids: [B] whole numbers in [0, K).
          seed: a whole number in [0, 2**62); equal seeds give equal images.

        Raises:
          InputError: there is no generator, its SavedModel is damaged, or a
            label or the seed is out of range.
        """
        endpoint = self._endpoint("sample")
        label_ids = np.asarray(label_ids, np.int32)
        num_classes = self.metadata["num_classes"]
        if np.any((label_ids < 0) | (label_ids >= num_classes)):
            raise InputError(
                f"label_ids are in [{label_ids.min()}, {label_ids.max()}]; "
                f"expected [0, {num_classes - 1}]; leave the others out"
            )
        if not 0 <= seed < 2**62:
            raise InputError(
                f"seed is {seed}; expected a whole number in [0, 2**62); give "
                "another"
            )
        pair = np.array([seed & 0x7FFFFFFF, seed >> 31], np.int32)
        found = endpoint(label_ids, pair)
        return Batch(found["images"].numpy(), found["labels"].numpy())

    def _endpoint(self, name: str) -> Any:
        if self.metadata["source"] != "gtn":
            raise InputError(
                f"source {self.metadata['source']!r} has no generator; "
                f"expected 'gtn' for `{name}`; use batches()"
            )
        return getattr(self._saved_model, name)

    @functools.cached_property
    def _saved_model(self) -> Any:
        import tensorflow as tf

        try:
            return tf.saved_model.load(str(self.path / "1"))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise _damaged(self.path / "1", error) from error


def load(path: Path | str) -> Teacher:
    """Opens the export of a GTN.

    Args:
      path: a workdir, or an export folder.

    Raises:
      InputError: there is no export, or it is damaged or foreign.
    """
    path = local_path(path, "path of an export")
    candidates = (path, path / "export")
    found = [p for p in candidates if (p / "metadata.json").exists()]
    if not found:
        raise InputError(
            f"{str(path)!r} holds no export; expected an export folder or a "
            "workdir with one; run --mode=export there or give another path"
        )
    metadata = _read_metadata(found[0] / "metadata.json")
    arrays = _read_arrays(found[0] / "curriculum.npz", metadata)
    return Teacher(found[0], metadata, **arrays)


def _read_metadata(path: Path) -> dict[str, Any]:
    metadata = read_json(path)
    if not isinstance(metadata, dict) or "format_version" not in metadata:
        raise InputError(
            f"{str(path)!r} is of no export; expected one JSON object with "
            "'format_version'; give another path"
        )
    version = metadata["format_version"]
    if version != FORMAT_VERSION:
        raise InputError(
            f"{str(path)!r} has format_version {version!r}; expected "
            f"{FORMAT_VERSION}; read it with the gtn_tf that wrote it or run "
            "--mode=export again"
        )
    return metadata


def _read_arrays(path: Path, metadata: dict[str, Any]) -> dict[str, np.ndarray]:
    try:
        steps = (metadata["num_inner_steps"],)
        examples = (*steps, metadata["inner_batch_size"])
        shapes = (
            (*examples, *metadata["image_shape"]),
            (*examples, metadata["num_classes"]),
            steps,
            steps,
        )
        # Opened here, for np.load leaves a damaged file open.
        with open_to_read(path) as raw:
            if zipfile.is_zipfile(raw):
                for name, shape in zip(ARRAYS, shapes, strict=True):
                    _check_header(raw, name, shape)
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ARRAYS}
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} has values that are not finite")
    except (
        EOFError,
        KeyError,
        OSError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        raise _damaged(path, error) from error
    return arrays


def _check_header(raw: BinaryIO, name: str, shape: tuple[int, ...]) -> None:
    """Reads what an array says of itself before all of it is unpacked."""
    with zipfile.ZipFile(raw) as file, file.open(f"{name}.npy") as array:
        if np.lib.format.read_magic(array) != (1, 0):  # others may be long
            raise ValueError(f"{name} has an unknown header")
        found, _, dtype = np.lib.format.read_array_header_1_0(array)
    if not dtype.hasobject and (dtype, found) != (np.float32, shape):
        raise ValueError(
            f"{name} is {dtype}{found} where metadata.json says float32{shape}"
        )
    if 4 * math.prod(shape) > memory_bytes():
        raise ValueError(f"{name} is float32{shape}, more than the memory")


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{str(path)!r} is damaged ({one_line(error)}); expected a file that "
        "--mode=export wrote; run it again"
    )
