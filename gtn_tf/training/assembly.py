"""From a config to the objects it names."""

import functools

import keras
from ml_collections import config_dict

from gtn_tf.config.families import (
    learner_names,
    learner_widths,
    transfer_widths,
)
from gtn_tf.datasets import loading as data
from gtn_tf.datasets.batches import RealData, sample_batch
from gtn_tf.import_paths import is_import_path
from gtn_tf.layers.spec import LayerSpec
from gtn_tf.learners.families import check_family, from_family
from gtn_tf.learners.functional import Learner, from_keras
from gtn_tf.learners.own_networks import from_import_path
from gtn_tf.learners.registry import CELL
from gtn_tf.meta.inner_optimizers import INNER_OPTIMIZERS
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.meta.meta_optimizer import ScaledAdam
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.interpreter import CellInterpreter
from gtn_tf.search_spaces.cells.network import build_cell_network
from gtn_tf.search_spaces.cells.published_genotypes import published_genotype
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.teachers.gtn import GTN, GTNSpec
from gtn_tf.types import InputError

# A search's draws are sample((seed, 0)), sample((seed, 1)), .. For NumPy a
# seed (a, b) is the seed (a, b, 0), so b must not be the number of a draw.
_BEYOND_ALL_DRAWS = 2**31


def load_dataset(
    config: config_dict.ConfigDict, with_test: bool = False
) -> data.Dataset:
    """Reads the data set; test images only where they are asked for.

    Raises:
      InputError: as `data.load`.
    """
    return data.load(
        config.dataset.name,
        config.dataset.data_dir,
        config.dataset.split_seed,
        with_test,
    )


def build_gtn(config: config_dict.ConfigDict, train: RealData) -> GTN:
    """Builds the meta-parameters; call it in the strategy's scope."""
    image_shape = tuple(train.images.shape[1:])
    num_classes = train.num_classes
    spec = GTNSpec(
        image_shape=image_shape,
        num_classes=num_classes,
        source=config.source,
        noise_dim=config.generator.noise_dim,
        dense_widths=tuple(config.generator.dense_widths),
        channels=tuple(config.generator.channels),
        rematerialize_generator=config.generator.rematerialize,
        curriculum=config.curriculum.name,
        learn_labels=config.curriculum.learn_labels,
        num_inner_steps=config.inner.num_steps,
        inner_batch_size=config.inner.batch_size,
        inner_optimizer=config.inner.optimizer,
        inner_learning_rate=config.inner.learning_rate,
        inner_momentum=config.inner.momentum,
        learn_hyperparameters=config.inner.learn_hyperparameters,
    )
    return GTN(
        spec,
        root_seed(config.seed),
        config.precision,
        sample_real=functools.partial(sample_batch, train),
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
            if name != CELL and not is_import_path(name):
                check_family(name, family_widths)
            elif family_widths is not None:
                its = "is learner.channels" if name == CELL else "is its own"
                raise InputError(
                    f"widths {tuple(family_widths)} for family '{name}'; its "
                    f"width {its}; give None for it"
                )
    learner_genotypes(config)


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
    """Builds all learners that `learner.name` lists; see below."""
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
    """Builds one entry of `learner.name`.

    Args:
      config: says how the layers of ours are made.
      name: one of `LEARNERS`, or `package.module:function`.
      widths: of its layers; None: its own.
      image_shape: (H, W, C) of the data.
      num_classes: K of the data.

    Returns:
      One learner; of family `cell` one per genotype.

    Raises:
      InputError: as `from_family` and `from_import_path`.
    """
    if is_import_path(name):
        return (from_import_path(name, image_shape, num_classes),)
    if name == CELL:
        return _build_cell_family(config, image_shape, num_classes)
    spec = LayerSpec(
        weight_norm=config.learner.weight_norm,
        normalization=config.learner.normalization,
        initializer=config.learner.initializer,
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
    if choices.genotype is None and choices.num_genotypes is None:
        space = SearchSpace(choices.num_nodes, tuple(choices.ops))
        interpreter = CellInterpreter(space, *size, spec)
        return (Learner(CELL, interpreter.init, interpreter.apply),)
    return tuple(
        from_keras(functools.partial(build_cell_network, genotype, *size, spec))
        for genotype in learner_genotypes(config)
    )


def learner_genotypes(config: config_dict.ConfigDict) -> list[Genotype]:
    """Returns the genotypes of family `cell`; none if each learner draws.

    They are drawn by another seed than a search's; a small space may give
    the same ones all the same.

    Raises:
      InputError: `learner.genotype` cannot be read, or the space holds fewer
        than `learner.num_genotypes`.
    """
    choices = config.learner
    if choices.genotype is not None:
        return [_genotype(choices.genotype)]
    if choices.num_genotypes is None:
        return []
    space = SearchSpace(choices.num_nodes, tuple(choices.ops))
    drawn = space.sample_different(
        choices.num_genotypes,
        (config.seed, _BEYOND_ALL_DRAWS),
        "learner.num_genotypes",
    )
    return list(drawn.values())


def build_problem(
    config: config_dict.ConfigDict, train: RealData
) -> InnerProblem:
    """Builds what the meta-gradient differentiates."""
    return InnerProblem(
        learners=build_learners(
            config, tuple(train.images.shape[1:]), train.num_classes
        ),
        optimizer=INNER_OPTIMIZERS[config.inner.optimizer],
        sample_real=lambda seed: sample_batch(
            train, seed, config.meta.batch_size
        ),
        meta_loss_every=config.inner.meta_loss_every,
        truncation_window=config.inner.truncation_window,
    )


def build_meta_optimizer(
    config: config_dict.ConfigDict, gtn: GTN
) -> keras.optimizers.Optimizer:
    """Builds Adam with cosine decay; call it in the strategy's scope.

    The noise has a rate of its own. Clipping is not left to it: it would clip
    before replicas are averaged.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        config.meta.learning_rate,
        config.meta.num_steps,
        alpha=config.meta.final_learning_rate_ratio,
    )
    of_noise = config.meta.noise_rate_ratio
    optimizer = ScaledAdam(
        schedule,
        [of_noise if name == "noise" else 1.0 for name in gtn.trained_names],
        beta_1=config.meta.adam_beta_1,
        beta_2=config.meta.adam_beta_2,
        epsilon=config.meta.adam_epsilon,
    )
    optimizer.build(gtn.trained_variables())
    return optimizer
