import json

import keras
import pytest
import tensorflow as tf

from gtn_tf.learners.own_networks import from_import_path
from gtn_tf.ops.seeds import root_seed
from gtn_tf.training.assembly import check_learners
from gtn_tf.types import InputError
from tests.helpers import own_things, tiny

_NAME = "tests.helpers.own_things:build"
_DATA = "tests.helpers.own_things:load"
_build = own_things.build


@pytest.mark.slow
def test_an_own_learner_on_own_images_from_the_command_line(tmp_path):
    arguments = (
        f"--config.dataset.name={_DATA}",
        f"--config.learner.name=mlp,{_NAME}",
        "--config.learner.widths=((4,3),None)",
        f"--config.evaluation.learners=('{_NAME}',)",
        "--config.evaluation.sources=('gtn',)",
        "--config.evaluation.num_learners=1",
        "--config.meta.num_steps=2",
    )
    done = tiny.run_main(tmp_path, *arguments)
    assert done.code == 0, done.errors
    path = tmp_path / "export" / "metadata.json"
    metadata = json.loads(path.read_text())
    assert metadata["learner"]["name"] == ["mlp", _NAME]
    assert metadata["learner"]["widths"] == [[4, 3], None]
    assert (metadata["dataset"], metadata["num_classes"]) == (_DATA, 3)
    assert metadata["image_shape"] == [8, 12, 3]
    done = tiny.run_main(tmp_path, *arguments, "--mode=evaluate")
    assert done.code == 0, done.errors
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    assert list(evaluation["transfer"]) == [_NAME]


def test_it_computes_what_its_model_does():
    learner = from_import_path(_NAME, (8, 8, 1), 4)
    assert learner.name == _NAME
    params, statistics = learner.init(root_seed(0))
    images = tf.random.stateless_normal((2, 8, 8, 1), [1, 2])
    logits, _ = learner.apply(params, statistics, images, training=False)
    model = _build((8, 8, 1), 4)
    for variable, value in zip(model.variables, params, strict=True):
        variable.assign(value)
    tf.debugging.assert_near(logits, model(images))


def _wider():
    """A hook: the function that a config names makes another network."""
    own_things.build = lambda shape, num_classes: keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Conv2D(5, 3, activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(num_classes),
        ]
    )


def test_another_network_by_the_same_name_is_tested_anew(tmp_path):
    arguments = (
        f"--config.evaluation.learners=('{_NAME}',)",
        "--config.evaluation.sources=('gtn',)",
        "--config.evaluation.num_learners=1",
    )
    assert tiny.run_main(tmp_path).code == 0
    found = []
    for hook in (None, _wider, None):
        done = tiny.run_main(tmp_path, *arguments, "--mode=evaluate", hook=hook)
        assert done.code == 0, done
        result = json.loads((tmp_path / "evaluation.json").read_text())
        found.append(result["transfer"][_NAME]["gtn"])
    assert found[0] != found[1]
    assert found[0] == found[2]


def test_another_network_by_the_same_name_is_not_taught_on(tmp_path):
    arguments = (
        *(f"--config.learner.name={_NAME}", "--config.learner.widths=None"),
        "--config.meta.num_steps=2",
    )
    assert tiny.run_main(tmp_path, *arguments).code == 0
    more = (*arguments[:-1], "--config.meta.num_steps=3")
    done = tiny.run_main(tmp_path, *more, hook=_wider)
    tiny.assert_one_line(done, 2, f"learner '{_NAME}' makes another network")
    assert tiny.checkpoint_steps(tmp_path)[-1] == 2
    assert tiny.run_main(tmp_path, *more).code == 0


@pytest.mark.parametrize(
    ("build", "received"),
    [
        (lambda shape, _: shape, "returned a tuple"),
        (lambda shape, _: _build(shape, 7), "to (64, 7)"),
        (lambda: None, "the builder raised TypeError"),
        (
            lambda shape, num_classes: keras.Sequential(
                [
                    _build(shape, num_classes),
                    keras.layers.BatchNormalization(renorm=True),
                ]
            ),
            "wrong second derivative",
        ),
    ],
)
def test_what_is_no_learner_is_refused(build, received, monkeypatch):
    monkeypatch.setattr(own_things, "build", build)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        from_import_path(_NAME, (8, 8, 1), 4)
    assert received in str(info.value).rpartition("; ")[0]


def test_its_widths_are_its_own():
    config = tiny.get_config()
    config.learner.name = _NAME
    with pytest.raises(InputError, match="its width is its own"):
        check_learners(config)


def test_keys_of_layers_that_are_its_own(caplog):
    config = tiny.get_config()
    config.learner.name = _NAME
    config.learner.widths = None
    check_learners(config)
    assert not caplog.messages
    config.learner.normalization = "batch"
    check_learners(config)
    assert (
        f"learner.normalization: no learner is made by them; {_NAME}"
        in (caplog.messages[0])
    )
    config.precision = "mixed_bfloat16"
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        check_learners(config)
    caught.match(r"--config\.precision=float32")
