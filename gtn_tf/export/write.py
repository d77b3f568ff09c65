"""Exports a GTN: a SavedModel, and its synthetic data as NumPy arrays.

`export/1/` opens with plain TensorFlow; `curriculum.npz` and `metadata.json`
need none. `real_images.npz` has a few real images, for pictures.
"""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf import __version__
from gtn_tf.config import FIELDS, flatten
from gtn_tf.config.families import learner_names, learner_widths
from gtn_tf.datasets.class_examples import class_examples
from gtn_tf.datasets.loading import Dataset
from gtn_tf.export.reading import FORMAT_VERSION
from gtn_tf.export.real_images import (
    FILE_NAME,
    RealImages,
    write_real_images,
)
from gtn_tf.export.saved_model import ExportedGTN
from gtn_tf.given import facts_of, is_given
from gtn_tf.import_paths import choose, is_import_path
from gtn_tf.learners.registry import FAMILIES
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.runtime.files import (
    read_json,
    replaced_folder,
    write_json,
)
from gtn_tf.runtime.progress import say
from gtn_tf.runtime.workdir import claim_workdir
from gtn_tf.teachers.registry import CURRICULA
from gtn_tf.training.assembly import learner_genotypes, learner_space
from gtn_tf.training.run import Run, restore_run
from gtn_tf.types import DivergenceError, InputError


def export(config: config_dict.ConfigDict, workdir: Path) -> int:
    """Writes `workdir/export` from the newest checkpoint; returns 0.

    Raises:
      InputError: bad config, data or workdir, or no GTN in it.
    """
    if config.source == "real":
        raise InputError(
            "source 'real' has no synthetic data; expected 'gtn' or "
            "'distillation'; give the config and --workdir of such a run"
        )
    # What is drawn is imported when there is something to draw.
    from gtn_tf.figures.curriculum import shown_classes

    run = restore_run(config, workdir)
    seed = fold(root_seed(config.seed), Purpose.VALIDATION, 0)
    module = ExportedGTN(run.teacher, run.teacher.read(), seed)
    with claim_workdir(workdir):
        write_export(
            workdir / "export",
            module,
            metadata_of(config, run, module),
            RealImages(
                class_examples(
                    run.dataset, shown_classes(run.dataset.num_classes)
                ),
                np.array(run.dataset.mean),
                np.array(run.dataset.std),
            ),
        )
    say(f"exported to {workdir / 'export'}")
    return 0


def is_current(config: config_dict.ConfigDict, workdir: Path) -> bool:
    """Whether the export is of this config, meta-trained to its end."""
    path = workdir / "export" / "metadata.json"
    if not path.exists():
        return False
    metadata = read_json(path)
    return metadata.get("config_digest") == _digest(config) and (
        metadata["meta_steps"] == config.meta.num_steps
    )


def metadata_of(
    config: config_dict.ConfigDict, run: Run, module: ExportedGTN
) -> dict[str, object]:
    """Returns what metadata.json says of a run's export."""
    has_generator = module.sample_noise is not None
    of_batch = "of the inner batch" if has_generator else "none"
    return curriculum_metadata(config, run.dataset) | {
        "statistics": {
            name: of_batch if name == "curriculum" else "stored"
            for name in module.endpoints
        },
        "sample_noise": module.sample_noise,
        "meta_steps": int(run.step.numpy()),
        "meta_training_seconds": float(run.seconds.numpy()),
        "versions": {
            "gtn_tf": __version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }


def curriculum_metadata(
    config: config_dict.ConfigDict, dataset: Dataset
) -> dict[str, object]:
    """Returns what a config and its data say of a curriculum."""
    curriculum = choose(config.curriculum.name, CURRICULA, "curriculum.name")
    return {
        "format_version": FORMAT_VERSION,
        "dataset": dataset.name,
        "split_seed": config.dataset.split_seed,
        "image_size": config.dataset.image_size,
        "max_images": config.dataset.max_images,
        "class_names": dataset.class_names,
        "num_classes": dataset.num_classes,
        "image_shape": dataset.image_shape,
        "num_inner_steps": config.inner.num_steps,
        "inner_batch_size": config.inner.batch_size,
        "inner_optimizer": config.inner.optimizer,
        "source": config.source,
        "curriculum": {
            "name": config.curriculum.name,
            "learn_labels": config.curriculum.learn_labels,
            "is_one_draw_of_many": not curriculum.shared,
        },
        "normalisation": {
            "mean": dataset.mean,
            "std": dataset.std,
            "formula": "(pixel / 255 - mean) / std, per channel",
        },
        "config_digest": _digest(config),
        "learner": learner_facts(config),
    }


def learner_facts(config: config_dict.ConfigDict) -> dict[str, object]:
    """Returns what metadata.json says of the learners."""
    names, choices = learner_names(config), config.learner
    found = {
        "name": names,
        # None of family cell: `channels` says how wide it is.
        "widths": [
            FAMILIES[name].widths
            if widths is None and name in FAMILIES
            else widths
            for name, widths in zip(names, learner_widths(config), strict=True)
        ],
    }
    if choices.pool is not None:
        found["num_networks"] = choices.pool_num_networks
    elif not all(map(is_import_path, names)):  # a person's layers are their own
        for key in ("weight_norm", "normalization", "pool_size"):
            found[key] = choices[key]
    given = {name: facts_of(name) for name in names if is_given(name)}
    if given:  # functions of a Python caller, which no import path finds
        found["given"] = given
    if "cell" in names:
        space = learner_space(config)
        # No genotypes: each learner drew its own from the space.
        found["cell"] = {
            "genotypes": [*map(space.to_text, learner_genotypes(config))],
            "num_cells": choices.num_cells,
            "channels": choices.channels,
        }
        if choices.space != "cells":
            found["cell"]["space"] = choices.space
        elif choices.genotype is None:
            found["cell"]["num_nodes"] = choices.num_nodes
            found["cell"]["ops"] = choices.ops
    return found


def _digest(config: config_dict.ConfigDict) -> str:
    """SHA-256 of the keys that a resumed run may not change."""
    fixed = {
        key: value
        for key, value in flatten(config.to_dict())
        if not FIELDS[key].may_change
    }
    return hashlib.sha256(
        json.dumps(fixed, sort_keys=True).encode()
    ).hexdigest()


def write_export(
    path: Path,
    module: ExportedGTN,
    metadata: dict[str, object],
    real: RealImages | None = None,
) -> None:
    """Writes the folder `path` as a whole, in place of an older one.

    Args:
      path: becomes the export.
      module: its SavedModel and arrays.
      metadata: of `metadata_of`.
      real: images to be seen beside the synthetic ones.

    Raises:
      DivergenceError: a number is not finite; the older one stays.
    """
    arrays = {name: v.numpy() for name, v in module.arrays.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise DivergenceError(
                f"{name} to be exported to {str(path)!r} are not all finite; "
                "expected what a meta-training makes that has not diverged; "
                "meta-train in another --workdir with a lower "
                "--config.meta.learning_rate"
            )
    with replaced_folder(path) as folder:
        tf.saved_model.save(
            module, str(folder / "1"), signatures=module.signatures
        )
        np.savez(folder / "curriculum.npz", **arrays)
        if real is not None:
            write_real_images(folder / FILE_NAME, real)
        write_json(folder / "metadata.json", metadata)
