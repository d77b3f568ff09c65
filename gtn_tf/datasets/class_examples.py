"""A few real images of each class, to be seen beside synthetic ones."""

from collections.abc import Sequence

import numpy as np

from gtn_tf.datasets.loading import Dataset

NUM_EXAMPLES = 2


def class_examples(
    dataset: Dataset, classes: Sequence[int] | None = None
) -> np.ndarray:
    """Returns the first training images of each class, raw.

    Args:
      dataset: of K classes.
      classes: some of them; None: all.

    Returns:
      uint8 [classes, `NUM_EXAMPLES`, H, W, C]; a class with fewer has them
      again, one without any is black.
    """
    classes = range(dataset.num_classes) if classes is None else classes
    shape = (len(classes), NUM_EXAMPLES, *dataset.image_shape)
    found = np.zeros(shape, np.uint8)
    images, label_ids = dataset.train
    for row, label in enumerate(classes):
        places = np.flatnonzero(label_ids == label)[:NUM_EXAMPLES]
        if len(places):
            found[row] = images[np.resize(places, NUM_EXAMPLES)]
    return found
