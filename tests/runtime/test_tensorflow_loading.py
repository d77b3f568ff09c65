import importlib
import sys

import pytest

from gtn_tf.runtime import tensorflow_loading


def test_packages_that_are_not_for_us_are_hidden_for_a_while():
    assert "this" not in sys.modules
    with tensorflow_loading._without(["this", "json"]):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("this")
        importlib.import_module("json")  # as it was there before
    assert "this" not in sys.modules
    assert importlib.util.find_spec("this") is not None
    assert sys.modules["json"] is not None
