"""A curriculum as the files that DD-Ranking evaluates (arXiv 2505.13300).

images.pt float32 [N, C, H, W], labels.pt float32 [N, K] and lr.pt float32 [],
N = T B, as `torch.load` reads them, sorted by class, for DD-Ranking numbers the
images of each class itself. It knows one rate and draws batches at random: the
order of the inner steps, their rates and momenta are lost, and so is much of
what a curriculum teaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gtn_tf.paths import local_path
from gtn_tf.runtime.files import replaced_folder, write_json
from gtn_tf.types import InputError

if TYPE_CHECKING:
    from gtn_tf.export.load import Teacher


def write_for_dd_ranking(
    teacher: Teacher,
    path: Path | str,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Path:
    """Writes the three files into a new folder; returns its path.

    Args:
      teacher: from `gtn_tf.load`.
      path: of the folder.
      mean: [C], which the evaluation subtracts from real images, in units of
        pixel / 255; None: the teacher's.
      std: [C], which it divides by; None: the teacher's.

    Raises:
      InputError: PyTorch is not installed, the folder is there, or classes
        have different numbers of images.
    """
    path = local_path(path, "path of the folder")
    if path.exists():
        raise InputError(
            f"{str(path)!r} is there; expected a new folder; give another path"
        )
    try:
        import torch
    except ModuleNotFoundError as error:
        raise InputError(
            "PyTorch is not installed; expected it, as DD-Ranking reads its "
            "files; pip install torch"
        ) from error
    labels = teacher.labels.reshape(-1, teacher.labels.shape[-1])
    label_ids = labels.argmax(axis=1)
    counts = np.bincount(label_ids, minlength=labels.shape[1])
    if counts.min() != counts.max():
        raise InputError(
            f"the classes have {counts.min()} to {counts.max()} synthetic "
            "images; expected as many of each, as DD-Ranking does; meta-train "
            "with an inner_batch_size that K divides"
        )
    order = np.argsort(label_ids, kind="stable")
    own = teacher.metadata["normalisation"]
    pixels = teacher.images * own["std"] + own["mean"]  # / 255
    mean, std = (
        np.asarray(own[name] if given is None else given)
        for name, given in (("mean", mean), ("std", std))
    )
    images = ((pixels - mean) / std).astype(np.float32)
    images = images.reshape(-1, *images.shape[2:])[order]
    arrays = {
        "images": np.ascontiguousarray(images.transpose(0, 3, 1, 2)),
        "labels": labels[order],
        "lr": teacher.inner_learning_rate.mean(),
    }
    with replaced_folder(path) as folder:
        for name, array in arrays.items():
            torch.save(torch.as_tensor(array), folder / f"{name}.pt")
        write_json(
            folder / "about.json",
            {
                "dataset": teacher.metadata["dataset"],
                "images_per_class": counts[0],
                "mean": mean,
                "std": std,
                "lr": "mean of the inner learning rates",
            },
        )
    return path
