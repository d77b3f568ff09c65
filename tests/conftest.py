import gc
import os

# Importing TensorFlow leaves a million objects behind that live as long as the
# process: looking through them again and again is a tenth of the tests' time.
gc.disable()

# Before TensorFlow is imported: its start-up lines bury a failure.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gtn_tf  # noqa: F401, I001  (its environment comes before TensorFlow)
import keras
import pytest
import tensorflow as tf

gc.enable()
gc.freeze()
gc.set_threshold(50_000, 20, 20)

#: Files of the longest tests: begun last, they would end alone.
_FIRST = (
    *("test_meta_gradient", "test_pretrain", "test_comparison"),
    *("test_run", "test_cell_interpreter", "test_retrain"),
    *("test_workers", "test_cell_network", "test_distribution"),
    *("test_evaluators", "test_checkpoints", "test_performance"),
    *("test_teacher", "test_search", "test_retrain_step"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts long files in front; all others stay in order."""
    place = {f"{name}.py": number for number, name in enumerate(_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(autouse=True, scope="module")
def _seeded_fixtures() -> None:
    """Keras draws the weights of a layer with its global seed."""
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.set_random_seed(0)


def _use_grappler(value: bool) -> None:
    options = {"disable_meta_optimizer": not value}
    tf.config.optimizer.set_experimental_options(options)


# It takes longer over a graph than a test's few runs of it. What the command
# line starts is in processes of its own, which keep it.
_use_grappler(False)


@pytest.fixture
def grappler():
    """Graphs are rewritten, as outside of tests."""
    _use_grappler(True)
    yield
    _use_grappler(False)
