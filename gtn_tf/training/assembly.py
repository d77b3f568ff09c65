"""From a config to the objects it names."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, TypeVar

import keras
from absl import logging
from ml_collections import config_dict

from gtn_tf.config import FIELDS
from gtn_tf.config.families import (
    learner_names,
    learner_widths,
    transfer_widths,
)
from gtn_tf.datasets import loading as data
from gtn_tf.datasets.batches import RealData, sample_balanced, sample_batch
from gtn_tf.datasets.from_splits import check_class_sizes
from gtn_tf.import_paths import choose, is_import_path
from gtn_tf.layers.spec import LayerSpec
from gtn_tf.learners.families import check_family, from_family
from gtn_tf.learners.functional import Learner, from_keras
from gtn_tf.learners.own_networks import from_import_path
from gtn_tf.learners.registry import CELL, POOLS
from gtn_tf.meta.inner_optimizers import find_inner_optimizer
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.meta.meta_optimizer import MetaOptimizerSpec, make_meta_optimizer
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.interpreter import CellInterpreter
from gtn_tf.search_spaces.cells.network import build_cell_network
from gtn_tf.search_spaces.cells.published_genotypes import published_genotype
from gtn_tf.search_spaces.protocol import NetworkSpec, Space
from gtn_tf.search_spaces.registry import make_space
from gtn_tf.teachers.curricula import CurriculumSpec
from gtn_tf.teachers.generator import GeneratorSpec
from gtn_tf.teachers.hyperparameters import HyperparameterSpec
from gtn_tf.teachers.registry import SOURCES
from gtn_tf.teachers.teacher import Teacher, TeacherSpec
from gtn_tf.training.memory import check_memory, meta_training_parts
from gtn_tf.types import InputError

Spec = TypeVar("Spec")

# A search's draws are sample((seed, 0)), sample((seed, 1)), .. For NumPy a
# seed (a, b) is the seed (a, b, 0), so b must not be the number of a draw.
_BEYOND_ALL_DRAWS = 2**31


def read_spec(kind: type[Spec], group: Mapping[str, Any]) -> Spec:
    """Makes a dataclass of the keys of one config group, by their names."""
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: group[name] for name in names})


def load_dataset(
    config: config_dict.ConfigDict, with_test: bool = False
) -> data.Dataset:
    """Reads the data set; test images only where they are asked for.

    Raises:
      InputError: as `data.load`; or a class has fewer training images than
        an inner batch of all classes alike holds of it.
    """
    dataset = data.load_spec(
        read_spec(data.DatasetSpec, config.dataset), with_test
    )
    check_class_sizes(dataset, config.inner.batch_size)
    return dataset


def build_teacher(config: config_dict.ConfigDict, train: RealData) -> Teacher:
    """Builds what is meta-trained; call it in the strategy's scope."""
    kind = choose(config.source, SOURCES, "source")
    return kind(
        teacher_spec(config, train),
        root_seed(config.seed),
        functools.partial(sample_batch, train),
    )


def teacher_spec(
    config: config_dict.ConfigDict, train: RealData
) -> TeacherSpec:
    """Returns the sizes and choices of a config's teacher."""
    return TeacherSpec(
        image_shape=tuple(train.images.shape[1:]),
        num_classes=train.num_classes,
        num_steps=config.inner.num_steps,
        batch_size=config.inner.batch_size,
        hyperparameters=read_spec(HyperparameterSpec, config.inner),
        curriculum=read_spec(CurriculumSpec, config.curriculum),
        generator=read_spec(GeneratorSpec, config.generator),
        precision=config.precision,
    )


def check_learners(config: config_dict.ConfigDict) -> None:
    """Raises InputError if names and widths of the learners do not fit.

    Also as `learner_genotypes`.
    """
    named = (
        (learner_names(config), learner_widths(config)),
        (config.evaluation.learners, transfer_widths(config)),
    )
    for names, widths in named:
        for name, family_widths in zip(names, widths, strict=True):
            if name in POOLS:
                continue
            if name != CELL and not is_import_path(name):
                check_family(name, family_widths)
            elif family_widths is not None:
                its = "is learner.channels" if name == CELL else "is its own"
                raise InputError(
                    f"widths {tuple(family_widths)} for family '{name}'; its "
                    f"width {its}; give None for it"
                )
    learner_genotypes(config)
    _check_own_learners(config)


def _check_own_learners(config: config_dict.ConfigDict) -> None:
    """Says which keys do not touch a person's own networks."""
    names = {*learner_names(config), *config.evaluation.learners}
    own = sorted(filter(is_import_path, names))
    if not own:
        return
    if config.precision != "float32":
        raise InputError(
            f"precision {config.precision!r} with learner {own[0]}, whose "
            "layers say their own; expected 'float32'; set "
            "--config.precision=float32, and dtype='mixed_bfloat16' in all of "
            "its layers but the last"
        )
    changed = [
        f"learner.{key}"
        for key in ("weight_norm", "normalization", "initializer", "pool_size")
        if config.learner[key] != FIELDS[f"learner.{key}"].default
    ]
    if changed and names == set(own):
        logging.warning(
            "%s: no learner is made by them; %s has layers of its own.",
            ", ".join(changed),
            ", ".join(own),
        )


def _genotype(text: str) -> Genotype:
    """Returns a published genotype by name, or reads the text form."""
    if "@" in text:
        return Genotype.from_text(text)
    return published_genotype(text)


def build_learners(
    config: config_dict.ConfigDict,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> tuple[Learner, ...]:
    """Builds all learners of `learner.name`, or of the pool; see below."""
    families = zip(learner_names(config), learner_widths(config), strict=True)
    return tuple(
        learner
        for name, widths in families
        for learner in build_learner_family(
            config, name, widths, image_shape, num_classes
        )
    )


def build_learner_family(
    config: config_dict.ConfigDict,
    name: str,
    widths: tuple | None,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> tuple[Learner, ...]:
    """Builds one entry of `learner.name`, or the pool.

    Args:
      config: says how the layers of ours are made.
      name: of `LEARNERS` or `POOLS`, or `package.module:function`.
      widths: of its layers; None: its own.
      image_shape: (H, W, C) of the data.
      num_classes: K of the data.

    Returns:
      One learner; of family `cell` one per genotype, of a pool all.

    Raises:
      InputError: as `from_family` and `from_import_path`.
    """
    if is_import_path(name):
        return (from_import_path(name, image_shape, num_classes),)
    if name in POOLS:
        draw = choose(name, POOLS, "learner.pool")
        number = config.learner.pool_num_networks
        shape = image_shape, num_classes
        return draw(number, *shape, config.seed, config.precision)
    if name == CELL:
        return _build_cell_family(config, image_shape, num_classes)
    spec = LayerSpec(
        weight_norm=config.learner.weight_norm,
        normalization=config.learner.normalization,
        initializer=config.learner.initializer,
        convolution=config.learner.convolution,
        pool_size=config.learner.pool_size,
        dtype=config.precision,
    )
    return (from_family(name, image_shape, num_classes, widths, spec),)


def _build_cell_family(
    config: config_dict.ConfigDict,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> tuple[Learner, ...]:
    choices = config.learner
    spec = LayerSpec(
        weight_norm=choices.weight_norm,
        normalization=choices.normalization,
        dtype=config.precision,
    )
    size = (choices.num_cells, choices.channels, image_shape, num_classes)
    space = learner_space(config)
    if choices.space != "cells":
        network = NetworkSpec(*size, "search", config.precision)
        return tuple(
            from_keras(functools.partial(space.build, genotype, network))
            for genotype in learner_genotypes(config)
        )
    if choices.genotype is None and choices.num_genotypes is None:
        interpreter = CellInterpreter(space, *size, spec)
        return (Learner(CELL, interpreter.init, interpreter.apply),)
    return tuple(
        from_keras(functools.partial(build_cell_network, genotype, *size, spec))
        for genotype in learner_genotypes(config)
    )


def learner_space(config: config_dict.ConfigDict) -> Space:
    """Returns the space of the genotypes of family `cell`."""
    choices = config.learner
    return make_space(choices.space, choices.num_nodes, tuple(choices.ops))


def learner_genotypes(config: config_dict.ConfigDict) -> list[Any]:
    """Returns the genotypes of family `cell`; none if each learner draws.

    They are drawn by another seed than a search's; a small space may give
    the same ones all the same.

    Raises:
      InputError: `learner.genotype` cannot be read, or the space holds fewer
        than `learner.num_genotypes`.
    """
    choices, space = config.learner, learner_space(config)
    if choices.genotype is not None:
        if choices.space == "cells":
            return [_genotype(choices.genotype)]
        return [space.from_text(choices.genotype)]
    if choices.num_genotypes is None:
        return []
    drawn = space.sample_different(
        choices.num_genotypes,
        (config.seed, _BEYOND_ALL_DRAWS),
        "learner.num_genotypes",
    )
    return list(drawn.values())


def build_problem(
    config: config_dict.ConfigDict, train: RealData
) -> InnerProblem:
    """Builds what the meta-gradient differentiates.

    Raises:
      InputError: a learner cannot be built, or the sizes exceed the memory.
    """
    image_shape = tuple(train.images.shape[1:])
    parts = meta_training_parts(config, image_shape, train.num_classes)
    check_memory(config, parts)
    sample = functools.partial(sample_batch, train)
    if config.meta.balance_classes:
        sample = sample_balanced(train)
    return InnerProblem(
        learners=build_learners(config, image_shape, train.num_classes),
        optimizer=find_inner_optimizer(config.inner.optimizer),
        sample_real=lambda seed: sample(seed, config.meta.batch_size),
        meta_loss_every=config.inner.meta_loss_every,
        truncation_window=config.inner.truncation_window,
        learning_rate_spread=config.inner.learning_rate_spread,
        skips_non_finite=config.learner.pool is not None,
        learner_batch_size=config.meta.learner_batch_size,
    )


def build_meta_optimizer(
    config: config_dict.ConfigDict, teacher: Teacher
) -> keras.optimizers.Optimizer:
    """Builds the meta-optimizer; call it in the strategy's scope."""
    spec = read_spec(MetaOptimizerSpec, config.meta)
    return make_meta_optimizer(spec, teacher)
