"""Real image data: NumPy arrays of raw pixels, N images per split."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gtn_tf.datasets.registry import DATASETS
from gtn_tf.import_paths import choose, is_import_path

_OWN_ARRAYS = "gtn_tf.datasets.arrays:load_arrays"


class Split(NamedTuple):
    """Raw images in memory.

    Attributes:
      images: [N, H, W, C] uint8.
      label_ids: [N] int32.
    """

    images: np.ndarray
    label_ids: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """One data set, split.

    Attributes:
      name: as `dataset.name` has it.
      num_classes: K.
      image_shape: (H, W, C).
      mean: [C], of the training split, in units of pixel / 255.
      std: [C], likewise.
      augment: whether real training batches are cropped and flipped.
      train: what learners and the meta-loss see.
      validation: what every choice is made on.
      test: None unless asked for: only `evaluate` and `retrain` read it.
      class_names: K texts, if they are known.
    """

    name: str
    num_classes: int
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: bool
    train: Split
    validation: Split
    test: Split | None
    class_names: tuple[str, ...] | None = None


def load(
    name: str,
    data_dir: str | None = None,
    split_seed: int = 0,
    with_test: bool = False,
) -> Dataset:
    """Loads a data set, downloading it where it is absent.

    Args:
      name: key of `DATASETS`, or `package.module:function`, a function of no
        arguments that returns arrays; see `arrays`.
      data_dir: a TFDS directory; None is TFDS' default, which honours
        TFDS_DATA_DIR. Without meaning for `digits`, which scikit-learn bundles,
        and for a function.
      split_seed: of the permutation that splits training from validation (and
        from test for `digits`, which has no official test split).
      with_test: whether to read the test data at all.

    Raises:
      InputError: the name is unknown, or the data are missing or unreadable.
    """
    kind = _OWN_ARRAYS if is_import_path(name) else name
    loader = choose(kind, DATASETS, "dataset.name")
    return loader(name, data_dir, split_seed, with_test)


def cut(everything: Split, sizes: Sequence[int], seed: int) -> list[Split]:
    """Cuts a seeded permutation into parts of the given sizes."""
    order = np.random.default_rng(seed).permutation(sum(sizes))
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return [Split(*(array[part] for array in everything)) for part in parts]


def make_dataset(
    name: str,
    train: Split,
    validation: Split,
    test: Split | None,
    *,
    num_classes: int,
    augment: bool = False,
    class_names: tuple[str, ...] | None = None,
) -> Dataset:
    """Adds the image shape and the moments of the training images."""
    image_shape = train.images.shape[1:]
    pixels = train.images.reshape(-1, image_shape[-1])
    # einsum converts piecewise; CIFAR-10 in float64 would take 1.1 GB.
    mean = np.einsum("nc->c", pixels, dtype=np.float64) / len(pixels)
    power = np.einsum("nc,nc->c", pixels, pixels, dtype=np.float64)
    std = np.sqrt(power / len(pixels) - mean**2)
    return Dataset(
        name=name,
        num_classes=num_classes,
        image_shape=tuple(image_shape),
        mean=tuple((mean / 255).tolist()),
        std=tuple((std / 255).tolist()),
        augment=augment,
        train=train,
        validation=validation,
        test=test,
        class_names=class_names,
    )
