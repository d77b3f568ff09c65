import pytest

from gtn_tf.config import validate
from gtn_tf.training import memory
from gtn_tf.training.memory import (
    check_memory,
    meta_training_parts,
    network_parts,
    transfer_parts,
)
from gtn_tf.types import InputError
from tests.helpers import tiny

SHAPE, NUM_CLASSES = (8, 8, 1), 10


def parts_of(**changes):
    config = tiny.get_config()
    config.update_from_flattened_dict(
        {key.replace("__", "."): value for key, value in changes.items()}
    )
    validate(config)
    return config, meta_training_parts(config, SHAPE, NUM_CLASSES)


def test_by_hand():
    _, parts = parts_of()
    found = {part.name: part.num_floats for part in parts}
    # T = 2, B = 10, Z = 4; an mlp of widths 4 and 3; 16 images per meta-loss.
    num_params = 64 * 4 + 4 * 3 + 3 * 10
    activations = 4 + 3 + 10
    assert found["synthetic images"] == 2 * 10 * 64
    assert found["states of the inner steps"] == 2 * 2 * num_params
    assert found["activations of an inner step"] == 10 * activations
    assert found["real images of a meta-loss"] == 16 * (64 + activations)
    assert found["noise"] == 2 * 10 * 4
    # Z + K -> 8 -> 2x2x4, and convolutions of 3x3 to 3 channels and to 1.
    weights = 14 * 8 + 8 * 16 + 9 * 4 * 3 + 9 * 3
    assert found["the generator's parameters"] == 4 * weights
    at_once = 8 + 16 + 4 * 4 * 3
    assert found["the generator's activations"] == 2 * 10 * at_once


def test_a_convolution_by_hand():
    _, parts = parts_of(
        learner__name="conv2_fc", learner__widths=(5, (2, 6), 7)
    )
    num_params = 9 * 5 + 9 * 5 * 6 + 2 * 2 * 6 * 7 + 7 * 10
    activations = 4 * 4 * 5 + 2 * 2 * 6 + 7 + 10
    found = {part.name: part.num_floats for part in parts}
    assert found["states of the inner steps"] == 2 * 2 * num_params
    assert found["activations of an inner step"] == 10 * activations


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"inner__num_steps": 10**8}, "inner.num_steps"),
        ({"inner__batch_size": 2 * 10**9}, "inner.batch_size"),
        ({"meta__batch_size": 2 * 10**9}, "meta.batch_size"),
        ({"generator__noise_dim": 10**9}, "generator.noise_dim"),
        ({"generator__channels": (10**9, 3)}, "generator.channels"),
        ({"learner__widths": (10**9, 3)}, "learner.widths"),
        (
            {
                "learner__name": "cell",
                "learner__widths": None,
                "learner__channels": 10**9,
            },
            "learner.channels",
        ),
    ],
)
def test_what_no_machine_has_is_one_line(changes, key):
    config, parts = parts_of(**changes)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        check_memory(config, parts)
    caught.match(f"lower --config.{key}$")


def test_the_bytes_of_each_part_are_told(monkeypatch):
    monkeypatch.setattr(memory, "memory_bytes", lambda: 4000)
    config, parts = parts_of()
    with pytest.raises(InputError, match=r"at most the 4 KB .*") as caught:
        check_memory(config, parts)
    caught.match("synthetic images 5.12 KB, ")
    monkeypatch.setattr(memory, "memory_bytes", lambda: 10**6)
    check_memory(config, parts)


def test_networks_of_cells():
    config = tiny.get_config()
    arguments = ("batch_size", 4, SHAPE)
    check_memory(config, network_parts("retrain", 36, *arguments))
    config.retrain.channels = 10**9
    parts = network_parts("retrain", config.retrain.channels, *arguments)
    with pytest.raises(InputError, match=r"lower --config\.retrain\.channels"):
        check_memory(config, parts)


def test_a_learner_that_is_tried_only():
    config = tiny.get_config()
    config.evaluation.learners = ("mlp",)
    config.evaluation.widths = ((5, 2 * 10**9),)
    parts = transfer_parts(config, "mlp", (5, 7), SHAPE, NUM_CLASSES)
    num_params = 64 * 5 + 5 * 7 + 7 * 10
    assert [part.num_floats for part in parts] == [
        2 * num_params,
        10 * (5 + 7 + 10),
    ]
    check_memory(config, parts)
    (widths,) = config.evaluation.widths
    parts = transfer_parts(config, "mlp", widths, SHAPE, NUM_CLASSES)
    with pytest.raises(InputError, match=r"lower --config\.evaluation\.widths"):
        check_memory(config, parts)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("meta.num_steps", 2**31),
        ("generator.dense_widths", (8, 10**30)),
        ("dataset.split_seed", 2**63),
    ],
)
def test_what_cannot_be_meant_is_one_line(key, value):
    config = tiny.get_config()
    config.update_from_flattened_dict({key: value})
    with pytest.raises(InputError, match=r"expected whole numbers below 2\*\*"):
        validate(config)
