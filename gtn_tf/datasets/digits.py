"""8x8 digits, which scikit-learn bundles: 1000 + 397 + 400 images."""

import numpy as np

from gtn_tf.datasets.loading import (
    Dataset,
    DatasetSpec,
    Split,
    cut,
    make_dataset,
)


def load_digits(spec: DatasetSpec, with_test: bool) -> Dataset:
    """Loads the digits; the split is ours, as there is no official one."""
    from sklearn import datasets  # slow to import, needed here alone

    bunch = datasets.load_digits()
    # Ink is counted in sixteenths.
    images = np.round(bunch.images[..., None] * (255 / 16)).astype(np.uint8)
    everything = Split(images, bunch.target.astype(np.int32))
    train, validation, test = cut(everything, (1000, 397, 400), spec.split_seed)
    return make_dataset(
        spec.name,
        train,
        validation,
        test if with_test else None,
        num_classes=len(bunch.target_names),
        class_names=tuple(map(str, bunch.target_names)),
    )
