"""The space that random search draws genotypes from.

Nodes' inputs are uniform over all earlier states, operations uniform over
`ops`, both cells are independent, and the output concatenates the loose ends,
cell inputs included (the paper's space: 5 nodes, eleven operations).
Imports no TensorFlow.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from gtn_tf.search_spaces.cells.genotypes import (
    NUM_INPUTS,
    Cell,
    Edge,
    Genotype,
    loose_ends,
)
from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.types import InputError

#: The paper's eleven.
DEFAULT_OPS = tuple(OPS)[:11]

_MOST_DRAWS_PER_GENOTYPE = 100


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """All genotypes of `num_nodes` nodes per cell and operations `ops`.

    Raises:
      InputError: no node, no operation, an unknown or a repeated one.
    """

    num_nodes: int = 5
    ops: tuple[str, ...] = DEFAULT_OPS

    def __post_init__(self) -> None:
        object.__setattr__(self, "ops", tuple(self.ops))
        if self.num_nodes < 1:
            raise InputError(
                f"{self.num_nodes} nodes per cell; expected at least 1; set "
                "--config.search.num_nodes"
            )
        unknown = [op for op in self.ops if op not in OPS]
        if unknown or not self.ops or len(set(self.ops)) < len(self.ops):
            raise InputError(
                f"operations {', '.join(self.ops) or 'none'}; expected "
                f"different ones of {', '.join(OPS)}; set --config.search.ops"
            )

    def sample(self, seed: int | Sequence[int]) -> Genotype:
        """Draws a genotype, uniformly over encodings.

        Args:
          seed: whole numbers >= 0 that seed `numpy.random.default_rng`.
            Architecture i of a run is `sample((run_seed, i))`, whatever was
            drawn before it.
        """
        rng = np.random.default_rng(seed)
        return Genotype(self._cell(rng), self._cell(rng))

    def sample_different(
        self, count: int, seed: Sequence[int], asked_by: str
    ) -> dict[str, Genotype]:
        """Draws `count` different genotypes, canonical, by key.

        Args:
          count: of genotypes; a higher one draws the same ones first.
          seed: draw i is `sample((*seed, i))`.
          asked_by: the config key that says how many, for the error.

        Raises:
          InputError: the space holds fewer.
        """
        found: dict[str, Genotype] = {}
        most = _MOST_DRAWS_PER_GENOTYPE * count
        for draw in range(most):
            genotype = self.sample((*seed, draw)).canonical()
            found.setdefault(genotype.key(), genotype)
            if len(found) == count:
                return found
        raise InputError(
            f"{asked_by} is {count}; {len(found)} different genotypes were "
            f"found in {most} draws; lower it or raise "
            f"--config.{asked_by.split('.')[0]}.num_nodes"
        )

    def _cell(self, rng: np.random.Generator) -> Cell:
        nodes = tuple(
            (self._edge(rng, state), self._edge(rng, state))
            for state in range(NUM_INPUTS, NUM_INPUTS + self.num_nodes)
        )
        return Cell(nodes, loose_ends(nodes))

    def _edge(self, rng: np.random.Generator, num_states: int) -> Edge:
        state = int(rng.integers(num_states))
        return Edge(state, self.ops[int(rng.integers(len(self.ops)))])
