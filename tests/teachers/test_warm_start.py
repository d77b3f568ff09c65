import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.datasets.loading import load
from gtn_tf.datasets.subsets import choose_subset
from gtn_tf.ops.seeds import root_seed
from gtn_tf.teachers.warm_start import WarmStartSpec, begin_as
from tests.helpers.central_differences import normal
from tests.helpers.float_tolerance import assert_close
from tests.helpers.teachers import make_teacher

_SPEC = WarmStartSpec(num_images=9, fit_steps=150, fit_learning_rate=0.02)
_TARGETS = normal(0, 4, 6, 8, 8, 1).astype("float32")


def test_distilled_images_begin_as_the_real_ones():
    teacher = make_teacher(root_seed(0), "distillation")
    error = begin_as(teacher, tf.constant(_TARGETS), _SPEC)
    made = teacher.synthesize(teacher.read(), root_seed(1)).images
    cut = np.clip(_TARGETS, -1.9, 1.9)
    # tanh(atanh(0.95)): an error of y moves tanh by (1 - 0.95 ** 2) of it.
    assert_close(made, cut, num_roundings=8)
    assert error < 1e-10


@pytest.mark.parametrize("curriculum", ["full", "all_shuffled", "fixed_noise"])
def test_a_generator_is_fitted(curriculum):
    teacher = make_teacher(root_seed(0), curriculum=curriculum)
    before = teacher.read()
    steps = []
    error = begin_as(
        teacher, tf.constant(_TARGETS[:1] + 0 * _TARGETS), _SPEC, steps.append
    )
    assert steps == list(range(1, _SPEC.fit_steps + 1))
    # What is the same in all batches can be learned by few weights; one
    # image for all would leave the variance over images.
    cut = np.clip(_TARGETS[0], -1.9, 1.9)
    assert error < 0.9 * np.mean((cut - cut.mean(0)) ** 2)
    moved = {
        name
        for name, value in teacher.read().items()
        if np.any(value != before[name])
    }
    of_noise = set() if curriculum == "fixed_noise" else {"noise"}
    generator = {name for name in before if name.startswith("generator_")}
    assert moved == generator | of_noise


def test_a_subset_has_so_many_different_images_of_all_classes():
    dataset = load("digits")
    everything = choose_subset(3, (4, 10), dataset)
    few = choose_subset(3, (4, 10), dataset, 23)
    assert len({*everything.flat}) == 40
    assert len({*few.flat}) == 23
    label_ids = dataset.train.label_ids
    for chosen in (everything, few):
        np.testing.assert_array_equal(
            label_ids[chosen], np.tile(np.arange(10), (4, 1))
        )
    np.testing.assert_array_equal(few[:2], everything[:2])
