"""Learner family `cell`, from the config to a meta-training run."""

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.assembly import (
    build_gtn,
    build_learners,
    build_problem,
    check_learners,
)
from gtn_tf.meta_gradient import meta_gradient
from gtn_tf.nas.published_genotypes import published_genotype
from gtn_tf.real_batches import RealData
from gtn_tf.seeds import root_seed
from gtn_tf.types import InputError
from tests import tiny

SMALL = {
    "learner.name": "cell",
    "learner.widths": None,
    "learner.normalization": "batch",
    "learner.num_cells": 0,
    "learner.channels": 2,
    "learner.num_nodes": 1,
    "learner.ops": ("conv1x1", "identity"),
}


def small_config(**choices):
    config = tiny.get_config()
    config.update_from_flattened_dict(
        {**SMALL, **{f"learner.{k}": v for k, v in choices.items()}}
    )
    return config


def test_a_named_genotype_is_that_genotype():
    (learner,) = build_learners(small_config(genotype="GTN-fixed"))
    assert learner.name == f"cell_{published_genotype('GTN-fixed').key()}"


def test_a_genotype_can_be_given_as_text():
    text = "conv1x1@0+identity@1:2/max2x2@0+conv3x3@1:2"
    (learner,) = build_learners(small_config(genotype=text))
    params, statistics = learner.init(root_seed(0))
    logits, _ = learner.apply(
        params, statistics, tf.ones((2, 8, 8, 1)), training=False
    )
    assert logits.shape == (2, 10)
    assert np.isfinite(logits).all()


@pytest.mark.slow
def test_each_learner_draws_its_genotype():
    (learner,) = build_learners(small_config())
    init = tf.function(lambda seed: learner.init(seed)[1][:2], autograph=False)
    drawn = {
        tuple(np.concatenate([v.numpy().ravel() for v in init([3, i])]))
        for i in range(12)
    }
    assert len(drawn) > 6  # of 64


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"genotype": "NASNet"}, "'NASNet' is unknown; expected"),
        ({"widths": (3, 3)}, "widths \\(3, 3\\) for family 'cell'"),
    ],
)
def test_impossible_cells_are_refused(choices, message):
    with pytest.raises(InputError, match=message):
        check_learners(small_config(**choices))


@pytest.mark.slow
def test_cells_are_drawn_in_meta_training():
    config = small_config()
    config.source = "distillation"
    config.meta.batch_size = 3
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1))
    real = RealData(
        tf.constant(images, tf.uint8),
        tf.constant(np.arange(20) % 10, tf.int32),
        mean=(0.5,),
        std=(0.25,),
        num_classes=10,
        augment=False,
    )
    gtn = build_gtn(config, real)
    problem = build_problem(config, real)

    @tf.function(autograph=False)
    def function(meta_params):
        return meta_gradient(gtn, problem, meta_params, root_seed(1), (0, 2))

    gradients, losses = function(gtn.read())
    assert np.isfinite(losses.total)
    assert all(np.isfinite(g).all() for g in gradients)
    assert np.any(gradients[0] != 0)
