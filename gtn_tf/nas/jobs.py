"""The jobs of a search: which architectures, and what is asked of them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import config_dict

from gtn_tf.config import flatten
from gtn_tf.config.evaluator_names import EvaluatorName
from gtn_tf.export.load import Teacher
from gtn_tf.nas.evaluators import training_of
from gtn_tf.nas.job_results import job_key
from gtn_tf.nas.score_table import read_scores
from gtn_tf.nas.zero_cost import PROXIES
from gtn_tf.runtime.files import to_json
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.space import SearchSpace

#: Job key -> what a result holds besides the outcome, and the job itself.
Planned = dict[str, dict[str, Any]]


def sample_architectures(
    config: config_dict.ConfigDict,
) -> dict[str, Genotype]:
    """Draws different genotypes, canonical, by key.

    Raises:
      InputError: the space holds fewer.
    """
    space = SearchSpace(config.search.num_nodes, tuple(config.search.ops))
    wanted = config.search.num_architectures
    return space.sample_different(
        wanted, (config.seed,), "search.num_architectures"
    )


def settings_of(config: config_dict.ConfigDict) -> dict[str, Any]:
    """Returns the config, flat JSON, for a process in another folder."""
    settings = to_json(dict(flatten(config.to_dict())))
    data_dir = config.dataset.data_dir
    if data_dir is not None and "://" not in data_dir:  # not gs://
        settings["dataset.data_dir"] = str(
            Path(data_dir).expanduser().absolute()
        )
    return settings


def plan(
    config: config_dict.ConfigDict,
    settings: dict[str, Any],
    genotypes: Mapping[str, Genotype],
    names: list[EvaluatorName],
    teachers: Mapping[str, Teacher],
) -> Planned:
    """Lists the jobs, architecture by architecture, the truth last.

    Args:
      config: of the search.
      settings: see `settings_of`.
      genotypes: by key.
      names: the evaluators, the last one is the truth.
      teachers: by kind of evaluator.
    """
    *_, truth = names
    budgets = {name: budget_of(config, name, name is truth) for name in names}
    digests = {kind: teacher_digest(t) for kind, t in teachers.items()}
    num_truths = config.search.truth_num_architectures
    planned = {}
    for position, (genotype_key, genotype) in enumerate(genotypes.items()):
        for name in names:
            is_truth = name is truth
            if is_truth and num_truths is not None and position >= num_truths:
                continue
            identity = {
                "genotype_key": genotype_key,
                "evaluator": name.text,
                "budget": budgets[name],
                "seed": config.seed,
                "gtn_digest": digests.get(name.kind),
            }
            teacher = teachers.get(name.kind)
            planned[job_key(**identity)] = {
                **identity,
                "genotype": genotype.to_text(),
                "job": {
                    "genotype": genotype.to_text(),
                    "evaluator": _in_any_folder(name),
                    "is_truth": is_truth,
                    "seed": config.seed,
                    "config": settings,
                    "teacher": str(teacher.path.absolute())
                    if teacher
                    else None,
                },
            }
    return planned


def _in_any_folder(name: EvaluatorName) -> str:
    return f"table:{Path(name.path).absolute()}" if name.path else name.text


def teacher_digest(teacher: Teacher) -> str:
    """Returns the hash of all that a learner sees of an export."""
    digest = hashlib.sha256(teacher.metadata["inner_optimizer"].encode())
    for array in (
        teacher.images,
        teacher.labels,
        teacher.inner_learning_rate,
        teacher.inner_momentum,
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def budget_of(
    config: config_dict.ConfigDict, name: EvaluatorName, is_truth: bool
) -> dict[str, Any]:
    """Returns all that a score depends on but genotype, seed and GTN."""
    budget: dict[str, Any] = {}
    if name.kind in ("real", "real_subset"):
        unit = name.unit or "steps"
        number = config.inner.num_steps if name.unit is None else name.number
        budget |= {unit: number, **training_of(config, is_truth)}
    if name.kind == "real" and not is_truth:
        budget["batches"] = "not the truth's"
    if name.kind in PROXIES:
        budget["weight_norm"] = False
    if name.kind == "real_subset":
        budget["num_images"] = config.inner.num_steps * config.inner.batch_size
    if name.kind == "table":
        scores = sorted(read_scores(Path(name.path)).items())
        return {
            "scores_sha256": hashlib.sha256(repr(scores).encode()).hexdigest()
        }
    if name.kind in ("gtn", "distillation", "real", "real_subset"):
        # The same function, but other initial weights.
        budget["interpreted"] = config.search.interpret and not is_truth
    return budget | {
        "num_cells": config.search.num_cells,
        "channels": config.search.channels,
        "dress": "train" if is_truth else "search",
        "dataset": config.dataset.name,
        "split_seed": config.dataset.split_seed,
        "precision": config.precision,
    }
