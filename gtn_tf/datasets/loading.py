"""Real image data: NumPy arrays of raw pixels, N images per split."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gtn_tf.datasets.registry import (
    DATASETS,
    SCHEME_FORMS,
    SCHEMES,
    split_scheme,
)
from gtn_tf.import_paths import choose, import_attribute, is_import_path
from gtn_tf.types import InputError

_OWN_FUNCTION = "gtn_tf.datasets.arrays:load_arrays"


class Split(NamedTuple):
    """Raw images in memory.

    Attributes:
      images: [N, H, W, C] uint8.
      label_ids: [N] int32.
    """

    images: np.ndarray
    label_ids: np.ndarray


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """Config keys `dataset.*`.

    Attributes:
      name: key of `DATASETS`; `tfds:NAME`, `npz:PATH`, `folder:PATH`; or
        `package.module:function`, a function of no arguments that returns
        arrays, see `arrays`.
      data_dir: a TFDS directory; None is TFDS' default, which honours
        TFDS_DATA_DIR. Read for TFDS' data alone.
      split_seed: of the permutations that cut splits and choose images.
      image_size: (height, width), or one number for both, that images are
        resized to; None: as they are.
      max_images: most images of each split that the data have; None: all.
    """

    name: str
    data_dir: str | None = None
    split_seed: int = 0
    image_size: int | tuple[int, int] | None = None
    max_images: int | None = None

    @property
    def height_width(self) -> tuple[int, int] | None:
        """Returns `image_size` as (height, width)."""
        if isinstance(self.image_size, int):
            return self.image_size, self.image_size
        return None if self.image_size is None else tuple(self.image_size)


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
    image_size: int | tuple[int, int] | None = None,
    max_images: int | None = None,
) -> Dataset:
    """Loads a data set, downloading it where it is absent.

    Args:
      name: as `DatasetSpec` has it, like all others but `with_test`.
      data_dir: a TFDS directory.
      split_seed: of what is drawn.
      with_test: whether to read the test data at all.
      image_size: that images are resized to.
      max_images: of each split.

    Raises:
      InputError: the name is unknown, the data are missing or unreadable, or
        they are not what a learner can be trained and tested on.
    """
    spec = DatasetSpec(name, data_dir, split_seed, image_size, max_images)
    return load_spec(spec, with_test)


def load_spec(spec: DatasetSpec, with_test: bool = False) -> Dataset:
    """Loads what a spec names; see `load`."""
    scheme, _ = split_scheme(spec.name)
    if scheme is not None:
        loader = import_attribute(SCHEMES[scheme], "dataset.name")
        return loader(spec, with_test)
    if is_import_path(spec.name):
        return import_attribute(_OWN_FUNCTION, "dataset.name")(spec, with_test)
    if spec.name not in DATASETS:
        raise InputError(
            f"dataset.name is {spec.name!r}; expected one of "
            f"{', '.join(DATASETS)}, {SCHEME_FORMS}, or "
            "package.module:function; set --config.dataset.name"
        )
    dataset = choose(spec.name, DATASETS, "dataset.name")(spec, with_test)
    if spec.image_size is None and spec.max_images is None:
        return dataset
    return _adapted(dataset, spec)


def _adapted(dataset: Dataset, spec: DatasetSpec) -> Dataset:
    """Chooses and resizes images of a named data set."""
    from gtn_tf.datasets.resizing import resized

    def adapt(split: Split | None) -> Split | None:
        if split is None:
            return None
        kept = chosen(len(split.images), spec)
        images, label_ids = (array[kept] for array in split)
        return Split(resized(images, spec.height_width), label_ids)

    # Built anew: means keep, standard deviations do not.
    return make_dataset(
        dataset.name,
        adapt(dataset.train),
        adapt(dataset.validation),
        adapt(dataset.test),
        num_classes=dataset.num_classes,
        augment=dataset.augment,
        class_names=dataset.class_names,
    )


def chosen(num_images: int, spec: DatasetSpec) -> np.ndarray:
    """Returns the positions of the images to keep of a split, in order."""
    if spec.max_images is None or num_images <= spec.max_images:
        return np.arange(num_images)
    order = np.random.default_rng(spec.split_seed).permutation(num_images)
    return np.sort(order[: spec.max_images])


def cut(everything: Split, sizes: Sequence[int], seed: int) -> list[Split]:
    """Cuts a seeded permutation into parts of the given sizes."""
    order = np.random.default_rng(seed).permutation(sum(sizes))
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return [Split(*(array[part] for array in everything)) for part in parts]


def shuffled(split: Split, seed: int) -> Split:
    """Returns a seeded permutation of a split."""
    return cut(split, [len(split.images)], seed)[0]


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
