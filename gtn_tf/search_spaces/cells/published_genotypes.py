"""The genotypes of the literature, by name; imports no TensorFlow."""

import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.types import InputError


class Published(NamedTuple):
    """A genotype of the literature.

    Attributes:
      genotype: as its authors' code has it.
      source: where it stands.
      note: how sources differ, or empty.
    """

    genotype: Genotype
    source: str
    note: str


@functools.cache
def published() -> Mapping[str, Published]:
    """Returns the published genotypes by name."""
    text = (
        resources.files("gtn_tf.search_spaces.cells")
        .joinpath("genotypes.json")
        .read_text()
    )
    return {
        name: Published(
            Genotype.from_json(entry), entry["source"], entry["note"]
        )
        for name, entry in json.loads(text).items()
    }


def published_genotype(name: str) -> Genotype:
    """Returns a published genotype.

    Raises:
      InputError: unknown name; lists all.
    """
    if name not in published():
        raise InputError(
            f"genotype '{name}' is unknown; expected one of "
            f"{', '.join(published())}; correct the name"
        )
    return published()[name].genotype
