import keras
import numpy as np
import pytest
import tensorflow as tf
from ml_collections import config_dict

import gtn_tf
from gtn_tf.config import default_config
from gtn_tf.config.named import named_config
from gtn_tf.front.fit import _config
from gtn_tf.learners.identity import network_digest
from gtn_tf.types import InputError
from tests.helpers import own_things, tiny

RNG = np.random.default_rng(0)
DATA = (RNG.integers(0, 256, (60, 8, 12, 3), np.uint8), np.arange(60) % 3)
SIZES = {
    **{key.replace(".", "__"): value for key, value in tiny.SIZES.items()},
    "inner__batch_size": 6,
    "meta__validation_every": 0,
}
SIZES.pop("meta__num_steps")


def maker(width):
    def build():
        return keras.Sequential(
            [
                keras.Input((8, 12, 3)),
                keras.layers.Conv2D(width, 3, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(3),
            ]
        )

    return build


def fit(workdir, learner, data=DATA, meta_steps=4, **more):
    return gtn_tf.fit(
        data,
        learner=learner,
        workdir=workdir,
        meta_steps=meta_steps,
        **(SIZES | more),
    )


def test_a_closure_is_meta_trained_and_resumed_alike(
    tmp_path, capsys, grappler
):
    """Killed at step 2 and called again, as never stopped: same bits."""
    rounding = tf.config.experimental.tensor_float_32_execution_enabled()
    whole = fit(tmp_path / "whole", maker(2))
    # The caller's own, as are random operations without a seed.
    assert (
        tf.config.experimental.tensor_float_32_execution_enabled() is rounding
    )
    done = tiny.run_forked(_stopped_fit, tmp_path / "parts")
    assert done.code == 143, done.errors
    parts = fit(tmp_path / "parts", maker(2))
    assert "resumed at meta-step 2" in capsys.readouterr().err
    np.testing.assert_array_equal(parts.images, whole.images)
    assert whole.images.shape == (2, 6, 8, 12, 3)
    facts = whole.metadata["learner"]
    (name,) = facts["name"]
    assert name.startswith("gtn_tf.given:build_")
    given = facts["given"][name]
    assert given["function"].endswith("test_fit:maker.<locals>.build")
    assert given["num_weights"] == 3 * 9 * 2 + 2 + 6 * 10 * 2 * 3 + 3
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        fit(tmp_path / "whole", maker(3))
    assert "learner.name" in str(caught.value)
    assert "--" not in str(caught.value)
    # Nothing to do: at once, and random operations are the caller's again.
    capsys.readouterr()
    fit(tmp_path / "whole", maker(2))
    assert "meta-step" not in capsys.readouterr().err
    tf.random.normal([2])
    scores = gtn_tf.nas.rank([maker(2), maker(4)], whole)
    assert len(scores) == 2


def _stopped_fit(workdir):
    tiny.StopAfter(2, 15)()
    fit(workdir, maker(2))


def _interrupted_fit(workdir):
    tiny.StopAfter(2, 2)()
    try:
        fit(workdir, maker(2))
    except KeyboardInterrupt:
        raise SystemExit(7) from None


def test_ctrl_c_saves_and_is_the_callers(tmp_path):
    done = tiny.run_forked(_interrupted_fit, tmp_path)
    assert done.code == 7, done.errors
    assert tiny.checkpoint_steps(tmp_path)[-1] == 2


def test_a_function_of_a_module_goes_by_its_path(tmp_path, monkeypatch):
    data = own_things.load()
    teacher = fit(tmp_path, [own_things.build, "mlp"], data, 1)
    names = teacher.metadata["learner"]["name"]
    assert names == ["tests.helpers.own_things:build", "mlp"]
    assert teacher.metadata["learner"].get("given") is None
    again = fit(tmp_path, [own_things.build, "mlp"], data, 1)
    np.testing.assert_array_equal(again.images, teacher.images)

    def wider(image_shape, num_classes):
        return maker(7)()

    wider.__module__, wider.__qualname__ = own_things.__name__, "build"
    monkeypatch.setattr(own_things, "build", wider)
    for meta_steps in (1, 2):
        with pytest.raises(InputError, match="makes another network than"):
            fit(tmp_path, [own_things.build, "mlp"], data, meta_steps)


@pytest.mark.parametrize(
    ("learner", "parts"),
    [
        (maker(2)(), ("in place of what builds it", "clone_model")),
        (lambda: 3, ("returned a int", "return the model")),
        (lambda: keras.Sequential(), ("cannot be called",)),
        (own_things.build((8, 12, 3), 3), ("in place of",)),
        (lambda: own_things.build((8, 12, 3), 4), ("expected logits (64, 3)",)),
        (
            lambda: own_things.build((9, 9, 1), 3),
            ("a model of the data's images",),
        ),
        ("no_such", ("learner.name is 'no_such'",)),
        ([], ("learner is empty",)),
        (None, ()),
    ],
)
def test_a_wrong_learner_is_told_in_words_of_python(learner, parts, tmp_path):
    more = {} if parts else {"inner__num_step": 3}
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        fit(tmp_path, learner, **more)
    for part in (*parts, *(["inner.num_steps"] if more else [])):
        assert part in str(caught.value)
    assert "--" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"source": "real"}, "source is 'real', which makes no synthetic"),
        ({"config": None}, "config is a NoneType"),
        ({"config": {"meta": {"num_steps": 3}}}, "config is a dict"),
        ({"workdir": None}, "workdir is a NoneType"),
        ({"data": (*DATA, None)}, "data: the split of train is a tuple"),
        (
            {
                "data": tf.data.Dataset.from_tensors("/no/such.png").map(
                    lambda path: (tf.io.decode_png(tf.io.read_file(path)), 0)
                )
            },
            "or leave batch() out and set dataset__image_size",
        ),
        ({"learner__pool": "ordinary"}, "learner and learner__pool are both"),
        ({"learner__name": "conv2_fc"}, "learner and learner__name are both"),
        ({"dataset__name": "mnist"}, "data and dataset__name are both given"),
        (
            {"meta_steps": 5, "meta__num_steps": 10},
            "meta_steps and meta__num_steps are both given",
        ),
    ],
)
def test_what_cannot_be_exported_is_not_trained(more, part, tmp_path):
    arguments = {"workdir": tmp_path, "learner": "mlp"} | more
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        fit(**arguments)
    assert part in str(caught.value)
    assert "--" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("missing", "key"),
    [(None, "seed"), ("seed", "seed"), ("meta", "meta.num_steps")],
)
def test_a_config_that_lacks_keys_is_one_line(tmp_path, missing, key):
    config = default_config() if missing else config_dict.ConfigDict()
    if missing:
        del config[missing]
    meta_steps = 3 if missing == "meta" else None
    for learner in (None, "mlp"):
        with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
            gtn_tf.fit(
                DATA,
                workdir=tmp_path,
                config=config,
                learner=learner,
                meta_steps=meta_steps,
            )
        assert f"config key '{key}' is missing" in str(caught.value)


@pytest.mark.parametrize("returned", ["None", "3"])
def test_a_config_file_that_returns_none_is_one_line(tmp_path, returned):
    path = tmp_path / "mine.py"
    path.write_text(f"def get_config():\n    return {returned}\n")
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.fit(DATA, workdir=tmp_path / "run", config=path)
    assert f"mine.py' returns {returned}; expected" in str(caught.value)


def test_a_tuple_of_learners_is_a_list():
    """Of names: the keys of our own layers stay as the config has them."""
    config = named_config("digits")
    config.learner.pool_size = 2
    for names in (("mlp", "conv2_fc"), ["mlp", "conv2_fc"]):
        found = _config(config, {}, "digits", names).learner
        assert (found.name, found.pool_size) == ("mlp,conv2_fc", 2)


def test_a_network_is_told_by_its_structure_not_its_layers_numbers():
    shape = (8, 12, 3), 3
    digests = [
        network_digest(build(*shape))
        for build in (own_things.build, own_things.build)
    ]
    digests += [network_digest(maker(width)()) for width in (2, 2, 3)]
    first, second, narrow, same, wide = digests
    assert first == second
    assert narrow == same
    assert len({first, narrow, wide}) == 3


def test_networks_that_live_on_are_refused_as_they_were(tmp_path):
    layers = keras.layers
    shared = layers.Conv2D(2, 3)
    living = keras.Sequential(
        [
            keras.Input((8, 12, 3)),
            *(layers.Rescaling(1 / 255), shared, layers.Flatten()),
            layers.Dense(3, activation="softmax"),
        ]
    )

    def sharing():
        return keras.Sequential(
            [keras.Input((8, 12, 3)), shared, layers.Flatten(), layers.Dense(3)]
        )

    once = iter([living])
    with pytest.raises(InputError, match="second call raised StopIteration"):
        fit(tmp_path / "mine", [lambda: next(once)])
    kinds = [type(layer) for layer in living.layers]
    for build in (lambda: living, sharing):
        with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
            fit(tmp_path / "mine", [build])
        assert "is in two networks of the builder" in str(caught.value)
    assert [type(layer) for layer in living.layers] == kinds
    assert living.layers[-1].activation is keras.activations.softmax
    assert not (tmp_path / "mine").exists()


def test_a_file_that_changed_is_refused(tmp_path):
    """Though the training that it was read for is done."""
    path, images = tmp_path / "own.npz", DATA[0].copy()
    np.savez(path, images=images, label_ids=DATA[1])
    made = fit(tmp_path / "run", maker(2), f"npz:{path}", meta_steps=1)
    np.savez(path, images=255 - images, label_ids=DATA[1])
    with pytest.raises(InputError, match="has other images") as caught:
        fit(tmp_path / "run", maker(2), f"npz:{path}", meta_steps=1)
    assert "give another workdir" in str(caught.value)
    np.savez(path, images=images, label_ids=DATA[1])
    again = fit(tmp_path / "run", maker(2), f"npz:{path}", meta_steps=1)
    np.testing.assert_array_equal(again.images, made.images)
