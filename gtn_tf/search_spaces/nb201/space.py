"""NAS-Bench-201 as a space to search in; imports no TensorFlow."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gtn_tf.search_spaces.cells.cost import count
from gtn_tf.search_spaces.cells.structure import NetworkSize
from gtn_tf.search_spaces.nb201 import genotypes, structure
from gtn_tf.search_spaces.nb201.genotypes import EDGES, OPS, Genotype
from gtn_tf.search_spaces.protocol import (
    Assemble,
    Cost,
    Interpreter,
    NetworkSpec,
    Seed,
    SharedWeights,
    Space,
)

if TYPE_CHECKING:
    import keras


class NB201(Space):
    """The 15625 cells of NAS-Bench-201, 9445 functions.

    Args:
      **of_cells: `num_nodes` and `ops`, which are the space `cells`' alone.
    """

    interprets = True
    name = "nb201"
    assembles = True

    def __init__(self, **of_cells: Any) -> None:
        del of_cells

    def sample(self, seed: Seed) -> Genotype:
        """Draws one of the 15625, uniformly."""
        rng = np.random.default_rng(seed)
        return self.decode(rng.integers(len(OPS), size=len(EDGES)))

    def canonical(self, architecture: Genotype) -> Genotype:
        """Returns `genotypes.canonical`."""
        return genotypes.canonical(architecture)

    def to_text(self, architecture: Genotype) -> str:
        """Returns the benchmark's string."""
        return genotypes.to_text(architecture)

    def from_text(self, text: str) -> Genotype:
        """Returns `genotypes.from_text`."""
        return genotypes.from_text(text)

    def decisions(self) -> tuple[int, ...]:
        """Returns the number of operations, for each edge."""
        return (len(OPS),) * len(EDGES)

    def encode(self, architecture: Genotype) -> tuple[int, ...]:
        """Returns the place in `OPS` of each edge's operation."""
        return tuple(map(OPS.index, architecture))

    def decode(self, options: Sequence[int]) -> Genotype:
        """Returns the cell of these operations."""
        return tuple(OPS[option] for option in options)

    def mutate(self, architecture: Genotype, seed: Seed) -> Genotype:
        """Puts another operation on one edge, both uniform.

        As in published searches it stays one of the 15625, and may be the same
        function.
        """
        options = self.changed(architecture, np.random.default_rng(seed))
        return self.decode(options)

    def neighbours(self, architecture: Genotype) -> Iterator[Genotype]:
        """Yields all 24 that `mutate` may return."""
        for edge, own in enumerate(architecture):
            for op in OPS:
                if op != own:
                    yield *architecture[:edge], op, *architecture[edge + 1 :]

    def build(
        self, architecture: Genotype, network: NetworkSpec
    ) -> "keras.Model":
        """Builds `networks.build`."""
        from gtn_tf.search_spaces.nb201 import networks  # TensorFlow

        return networks.build(architecture, network)

    def interpreter(self, network: NetworkSpec) -> Interpreter:
        """Traces `networks.interpret`."""
        from gtn_tf.search_spaces.nb201 import networks  # TensorFlow

        return networks.interpret(network)

    def assembler(self, network: NetworkSpec) -> Assemble:
        """Returns `networks.assembler`."""
        from gtn_tf.search_spaces.nb201 import networks  # TensorFlow

        return networks.assembler(network)

    def shared_weights(self, network: NetworkSpec) -> SharedWeights:
        """Makes `networks.share`."""
        from gtn_tf.search_spaces.nb201 import networks  # TensorFlow

        return networks.share(network)

    def cost(self, architecture: Genotype, network: NetworkSpec) -> Cost:
        """Counts the network in training form."""
        size = NetworkSize(*network[:4])
        counted = count(
            lambda make: structure.assemble(
                architecture, size, size.image_shape, make
            )
        )
        return Cost(counted.params, counted.multiply_adds)
