"""Learner family `cell`, from the config to a meta-training run."""

import json

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.config import default_config, validate
from gtn_tf.datasets.batches import RealData
from gtn_tf.export.write import learner_facts
from gtn_tf.learners.functional import from_keras
from gtn_tf.meta.meta_gradient import meta_gradient
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.published_genotypes import published_genotype
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.search_spaces.nb201.genotypes import from_text, to_text
from gtn_tf.search_spaces.nb201.networks import build
from gtn_tf.search_spaces.protocol import NetworkSpec
from gtn_tf.training.assembly import (
    build_learners,
    build_problem,
    build_teacher,
    check_learners,
    learner_genotypes,
)
from gtn_tf.types import InputError
from tests.helpers import tiny

SMALL = {
    "learner.name": "cell",
    "learner.widths": None,
    "learner.normalization": "batch",
    "learner.num_cells": 0,
    "learner.channels": 2,
    "learner.num_nodes": 1,
    "learner.ops": ("conv1x1", "identity"),
}

DIGITS = (8, 8, 1), 10


def small_config(**choices):
    config = tiny.get_config()
    config.update_from_flattened_dict(
        {**SMALL, **{f"learner.{k}": v for k, v in choices.items()}}
    )
    return config


def test_a_named_genotype_is_that_genotype():
    (learner,) = build_learners(small_config(genotype="GTN-fixed"), *DIGITS)
    assert learner.name == f"cell_{published_genotype('GTN-fixed').key()}"


def test_a_genotype_can_be_given_as_text():
    text = "conv1x1@0+identity@1:2/max2x2@0+conv3x3@1:2"
    (learner,) = build_learners(small_config(genotype=text), *DIGITS)
    params, statistics = learner.init(root_seed(0))
    logits, _ = learner.apply(
        params, statistics, tf.ones((2, 8, 8, 1)), training=False
    )
    assert logits.shape == (2, 10)
    assert np.isfinite(logits).all()


def test_genotypes_drawn_beforehand_are_learners_each():
    config = small_config(num_genotypes=3, num_nodes=2)
    config.learner.name = "mlp,cell"
    genotypes = learner_genotypes(config)
    assert len({genotype.key() for genotype in genotypes}) == 3
    learners = build_learners(config, *DIGITS)
    expected = ["mlp", *(f"cell_{g.key()}" for g in genotypes)]
    assert [learner.name for learner in learners] == expected
    for learner in learners:
        params, statistics = learner.init(root_seed(0))
        logits, _ = learner.apply(
            params, statistics, tf.ones((2, 8, 8, 1)), training=False
        )
        assert logits.shape == (2, 10)
    config.seed = 1
    assert learner_genotypes(config) != genotypes


def test_cells_of_another_space_are_learners_each():
    config = small_config(
        space="nb201", num_genotypes=2, num_cells=1, normalization="batch"
    )
    validate(config)
    texts = list(map(to_text, learner_genotypes(config)))
    assert len(set(texts)) == 2
    facts = learner_facts(config)["cell"]
    assert facts["space"] == "nb201"
    assert facts["genotypes"] == texts
    # As a search builds them, which differentiate twice.
    network = NetworkSpec(1, 2, *DIGITS, "search")
    learners = build_learners(config, *DIGITS)
    for text, learner in zip(texts, learners, strict=True):
        wanted = from_keras(lambda text=text: build(from_text(text), network))
        params, statistics = learner.init(root_seed(0))
        images = tf.random.stateless_uniform((4, 8, 8, 1), root_seed(1))
        logits, _ = learner.apply(params, statistics, images, training=True)
        same, _ = wanted.apply(params, statistics, images, training=True)
        np.testing.assert_array_equal(logits, same)
    config.learner.num_genotypes, config.learner.genotype = None, texts[0]
    assert learner_genotypes(config) == [from_text(texts[0])]


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"num_genotypes": None}, "learner.num_genotypes=8"),
        ({"normalization": "mean_only"}, "learner.normalization=batch"),
        ({"weight_norm": False}, "learner.weight_norm=True"),
    ],
)
def test_what_another_space_cannot_be(more, part):
    choices = {"num_genotypes": 2, "normalization": "batch", **more}
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        validate(small_config(space="nb201", **choices))
    assert part in str(caught.value)


def test_a_gtn_is_not_made_for_the_cells_that_a_search_draws():
    # NumPy takes (0, 5, 0) and (0, 5) for the same seed: the first cell of a
    # pool could be the sixth of a search.
    config = default_config()
    config.learner.num_genotypes = 30
    drawn = {genotype.key() for genotype in learner_genotypes(config)}
    assert len(drawn) == 30
    space = SearchSpace(config.search.num_nodes, config.search.ops)
    of_search = space.sample_different(
        config.search.num_architectures, (config.seed,), "a.b"
    )
    assert not drawn & of_search.keys()


def test_an_export_says_which_cells_it_was_made_for():
    config = small_config(genotype="GTN-fixed")
    named = learner_facts(config)["cell"]
    found = Genotype.from_text(named["genotypes"][0])
    assert found.key() == published_genotype("GTN-fixed").key()
    assert named == {
        "genotypes": named["genotypes"],
        "num_cells": 0,
        "channels": 2,
    }
    each_its_own = learner_facts(small_config())
    assert each_its_own["name"] == ["cell"]
    assert each_its_own["widths"] == [None]
    assert each_its_own["cell"] == {
        "genotypes": [],
        "num_cells": 0,
        "channels": 2,
        "num_nodes": 1,
        "ops": ("conv1x1", "identity"),
    }


@pytest.mark.slow
def test_each_learner_draws_its_genotype():
    (learner,) = build_learners(small_config(), *DIGITS)
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
        (
            {"num_genotypes": 101},
            "learner.num_genotypes is 101; .*learner.num_nodes",
        ),
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
    gtn = build_teacher(config, real)
    problem = build_problem(config, real)

    @tf.function(autograph=False)
    def function(meta_params):
        return meta_gradient(gtn, problem, meta_params, root_seed(1), (0, 2))

    gradients, losses = function(gtn.read())
    assert np.isfinite(losses.total)
    assert all(np.isfinite(g).all() for g in gradients)
    assert np.any(gradients[0] != 0)


@pytest.mark.slow
def test_a_gtn_of_cells_is_trained_exported_and_evaluated(tmp_path):
    command = [
        "--config.learner.name=cell",
        "--config.learner.widths=None",
        "--config.learner.num_genotypes=2",
        "--config.learner.num_nodes=1",
        "--config.learner.num_cells=0",
        "--config.learner.channels=2",
        "--config.meta.num_steps=2",
        "--config.evaluation.num_learners=2",
        "--config.evaluation.sources=('gtn',)",
        "--config.evaluation.learners=('cell',)",
    ]
    done = tiny.run_main(tmp_path, *command)
    assert done.code == 0, done.errors
    metadata = json.loads((tmp_path / "export/metadata.json").read_text())
    learner = metadata["learner"]
    assert learner["name"] == ["cell"]
    assert learner["widths"] == [None]
    found = [Genotype.from_text(g) for g in learner["cell"]["genotypes"]]
    assert len(found) == 2
    done = tiny.run_main(tmp_path, "--mode=evaluate", *command)
    assert done.code == 0, done.errors
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    # The same learners, whether as the GTN's own family or as another one.
    own = evaluation["sources"]["gtn"]["accuracies"]
    assert evaluation["transfer"]["cell"]["gtn"]["accuracy"] == np.mean(own)
