"""A few real images of each class, to be seen beside synthetic ones."""

import numpy as np

from gtn_tf.datasets.loading import Dataset

NUM_EXAMPLES = 2


def class_examples(dataset: Dataset) -> np.ndarray:
    """Returns the first training images of each class, raw.

    Returns:
      uint8 [K, `NUM_EXAMPLES`, H, W, C]; a class with fewer has them again,
      one without any is black.
    """
    shape = (dataset.num_classes, NUM_EXAMPLES, *dataset.image_shape)
    found = np.zeros(shape, np.uint8)
    images, label_ids = dataset.train
    for label in range(dataset.num_classes):
        places = np.flatnonzero(label_ids == label)[:NUM_EXAMPLES]
        if len(places):
            found[label] = images[np.resize(places, NUM_EXAMPLES)]
    return found
