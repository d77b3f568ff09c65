import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.config import validate
from gtn_tf.evaluation import baselines
from gtn_tf.experiments import transfer_trials
from gtn_tf.experiments.transfer import EXPERIMENT
from gtn_tf.layers.registry import INITIALIZERS
from gtn_tf.training.assembly import build_learner_family, check_learners
from gtn_tf.types import InputError
from tests.helpers import tiny


def test_every_recipe_is_a_config():
    config = tiny.get_config()
    config.learner.name, config.learner.widths = "conv2_fc", (4, 6, 5)
    config.curriculum.learn_labels = True
    config.evaluation.meta_learning_rates = (0.25, 0.5)
    arms = transfer_trials.recipes(config, "conv2_fc", (4, 6, 5))
    for changes in arms.values():
        changed = baselines.changed(config, changes)
        validate(changed)
        check_learners(changed)
    assert arms["longer"] == {"inner.num_steps": 4, "meta.num_steps": 4}
    assert arms["real_pool"]["meta.learning_rate"] == 0.25
    pool = baselines.changed(config, arms["pool"]).learner
    assert pool.name.split(",") == list(transfer_trials.POOL)
    # The config's own widths are 1/16 of the official ones in the first layer.
    assert pool.widths[0] == (4, 6, 5)
    assert pool.widths[-1] == (16, 8)


def test_every_variant_is_a_learner():
    config = tiny.get_config()
    variants = transfer_trials.make_variants("conv2_fc", (4, 6, 5))
    assert variants["half as wide"].widths == (2, 3, 2)
    assert variants["twice as wide"].widths == (8, 12, 10)
    params = {}
    for name, variant in variants.items():
        changed = baselines.changed(config, variant.changes)
        validate(changed)
        (learner,) = build_learner_family(
            changed, variant.family, variant.widths, (8, 8, 1), 10
        )
        assert learner.name == variant.family
        params[name], _ = learner.init(tf.constant([1, 2]))
    own = params["conv2_fc"]
    assert len(params["plain layers"]) < len(own)  # it has no gains
    assert len(params["full batch norm"]) > len(own)  # it has scales
    for name in list(INITIALIZERS)[1:]:
        assert [p.shape for p in params[name]] == [p.shape for p in own]
        assert np.any(params[name][0] != own[0])


@pytest.mark.parametrize(
    "values",
    [{"name": "mlp,mlp"}, {"name": "cell"}, {"widths": ((2, 3), 4)}],
)
def test_transfer_needs_one_fixed_family(tmp_path, values):
    config = tiny.get_config()
    with config.ignore_type():
        config.learner.update({"widths": None, **values})
    with pytest.raises(InputError, match="'transfer'"):
        EXPERIMENT.run(config, tmp_path)
