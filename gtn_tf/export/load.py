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
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gtn_tf.export.bundled import bundled_folder
from gtn_tf.export.card import card_of
from gtn_tf.export.reading import ARRAYS, damaged, read_arrays, read_metadata
from gtn_tf.paths import local_path, path_to_read
from gtn_tf.runtime.files import replaced_folder, write_json
from gtn_tf.types import (
    Batch,
    InputError,
)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


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


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        num_steps, batch_size, *image_shape = self.images.shape
        return (
            f"<Teacher of {self.metadata['dataset']}: {num_steps} inner steps "
            f"of {batch_size} images {tuple(image_shape)}, from {self.path}>"
        )

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

    def prepare(self, images: np.ndarray, label_ids: np.ndarray) -> Batch:
        """Returns real images in a learner's units, for Keras' `evaluate`.

        Args:
          images: raw, [N, H, W, C], or [N, H, W] where C is 1: uint8, or float
            in 0 .. 1.
          label_ids: [N] whole numbers in [0, K), in the order of its classes.

        Returns:
          float32 NumPy arrays: images [N, H, W, C], normalised as in
          meta-training, and one-hot labels [N, K].

        Raises:
          InputError: other shapes or values.
        """
        from gtn_tf.export.own_images import prepared

        return prepared(images, label_ids, self.metadata)

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

    def card(self) -> str:
        """Returns Markdown: what it was trained on and for, and its limits."""
        return card_of(self.metadata)

    def save(self, path: Path | str) -> Path:
        """Writes an export folder with a card, README.md; returns its path.

        Raises:
          InputError: there is a folder of something else.
        """
        path = local_path(path, "path of an export")
        is_export = (path / "metadata.json").exists()
        if (
            path.exists()
            and not is_export
            and (not path.is_dir() or any(path.iterdir()))
        ):
            raise InputError(
                f"{str(path)!r} is there, and no export; expected an export, "
                "which is replaced, or nothing; give another path"
            )
        arrays = {name: getattr(self, name) for name in ARRAYS}
        with replaced_folder(path) as folder:
            np.savez_compressed(folder / "curriculum.npz", **arrays)
            write_json(folder / "metadata.json", self.metadata)
            (folder / "README.md").write_text(self.card())
            if (self.path / "1").exists():
                shutil.copytree(self.path / "1", folder / "1")
        return path

    def upload(self, repository: str, **create_arguments: Any) -> str:
        """Uploads it to the Hugging Face hub; returns where it is.

        `gtn_tf.load("hf:" + repository)` reads it again.

        Args:
          repository: "name" or "owner/name".
          **create_arguments: of `huggingface_hub.create_repo`, such as
            `private=True`.

        Raises:
          InputError: huggingface_hub is not installed, or the hub refuses.
        """
        from gtn_tf.export.hub import upload

        return upload(self, repository, **create_arguments)

    def save_for_dd_ranking(
        self,
        path: Path | str,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> Path:
        """Writes images.pt, labels.pt and lr.pt, as DD-Ranking reads them.

        See `dd_ranking`, which says what is lost.
        """
        from gtn_tf.export.dd_ranking import write_for_dd_ranking

        return write_for_dd_ranking(self, path, mean, std)

    def _endpoint(self, name: str) -> Any:
        if self.metadata["source"] != "gtn":
            raise InputError(
                f"source {self.metadata['source']!r} has no generator; "
                f"expected 'gtn' for `{name}`; use batches()"
            )
        if not (self.path / "1").exists():
            raise InputError(
                f"{str(self.path)!r} holds a curriculum without its generator; "
                f"expected its SavedModel for `{name}`; use batches(), or "
                "meta-train"
            )
        return getattr(self._saved_model, name)

    @functools.cached_property
    def _saved_model(self) -> Any:
        import tensorflow as tf

        try:
            return tf.saved_model.load(str(self.path / "1"))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise damaged(self.path / "1", error) from error


def load(path: Teacher | Path | str) -> Teacher:
    """Opens the export of a GTN.

    Args:
      path: a workdir or an export folder, here or in a bucket (`gs://..`);
        "gtn:" and the name of a bundled one (`gtn_tf.export.bundled`), such as
        "gtn:digits"; or "hf:owner/name" on the Hugging Face hub. A `Teacher` is
        returned as it is.

    Raises:
      InputError: there is no export, or it is damaged or foreign.
    """
    if isinstance(path, Teacher):
        return path
    kind, _, name = str(path).partition(":")
    if kind == "gtn":
        path = bundled_folder(name)
    elif kind == "hf":
        from gtn_tf.export.hub import download

        path = download(name)
    path = path_to_read(path, "path of an export")
    candidates = (path, path / "export")
    found = [p for p in candidates if (p / "metadata.json").exists()]
    if not found:
        raise InputError(
            f"{str(path)!r} holds no export; expected an export folder or a "
            "workdir with one; run --mode=export there or give another path"
        )
    metadata = read_metadata(found[0] / "metadata.json")
    arrays = read_arrays(found[0] / "curriculum.npz", metadata)
    return Teacher(found[0], metadata, **arrays)
