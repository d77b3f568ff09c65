"""The spaces that `search.space` names; imports no TensorFlow."""

from gtn_tf.import_paths import choose
from gtn_tf.search_spaces.protocol import Space

#: Name -> what makes it, of `num_nodes` and `ops`.
SPACES = {
    "cells": "gtn_tf.search_spaces.cells.space:SearchSpace",
    "nb201": "gtn_tf.search_spaces.nb201.space:NB201",
}


def make_space(name: str, num_nodes: int, ops: tuple[str, ...]) -> Space:
    """Returns a space: one of `SPACES`, or of an import path.

    Raises:
      InputError: there is none, or not with these options.
    """
    return choose(name, SPACES, "search.space")(num_nodes=num_nodes, ops=ops)
