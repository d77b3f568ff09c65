import os

# Before TensorFlow is imported: its start-up lines bury a failure.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gtn_tf  # noqa: F401, I001  (its environment comes before TensorFlow)
import pytest
import tensorflow as tf


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
