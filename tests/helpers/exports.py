"""An export of digits, made without meta-training."""

import json
from pathlib import Path

import numpy as np

from gtn_tf.datasets import loading as data
from gtn_tf.datasets.loading import Dataset
from gtn_tf.export.load import ARRAYS

META_TRAINING_SECONDS = 3.5


def write_export(
    folder: Path,
    dataset: Dataset | None = None,
    num_steps: int = 3,
    batch_size: int = 10,
    **metadata: object,
) -> Path:
    """Writes real images as if they were synthetic ones."""
    dataset = data.load("digits") if dataset is None else dataset
    folder.mkdir(parents=True)
    positions = np.arange(num_steps * batch_size)
    images = (dataset.train.images[positions] / 255 - dataset.mean) / (
        dataset.std
    )
    labels = np.eye(10)[dataset.train.label_ids[positions]]
    arrays = (
        images.reshape(num_steps, batch_size, *dataset.image_shape),
        labels.reshape(num_steps, batch_size, 10),
        np.linspace(0.1, 0.05, num_steps),
        np.linspace(0.5, 0.7, num_steps),
    )
    found = {
        "format_version": 1,
        "dataset": "digits",
        "num_classes": 10,
        "image_shape": dataset.image_shape,
        "num_inner_steps": num_steps,
        "inner_batch_size": batch_size,
        "inner_optimizer": "sgd",
        "source": "gtn",
        "normalisation": {"mean": dataset.mean, "std": dataset.std},
        "meta_training_seconds": META_TRAINING_SECONDS,
    }
    (folder / "metadata.json").write_text(json.dumps(found | metadata))
    np.savez(
        folder / "curriculum.npz",
        **{
            name: array.astype(np.float32)
            for name, array in zip(ARRAYS, arrays, strict=True)
        },
    )
    return folder
