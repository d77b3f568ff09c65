"""What a search asks of a space of architectures; imports no TensorFlow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gtn_tf.types import InputError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Architecture = Any  # immutable; each space has a type of its own
Seed = int | Sequence[int]  # whole numbers >= 0, for numpy's default_rng

_KEY_LENGTH = 16  # hexadecimal digits: collisions beyond billions
_MOST_DRAWS_PER_ARCHITECTURE = 100


def key_of(text: str) -> str:
    """Returns 16 hexadecimal digits for the text of a canonical architecture.

    They name results on disk.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


class NetworkSpec(NamedTuple):
    """What a network is built for.

    Attributes:
      num_cells: N, as `search.num_cells`.
      channels: F, as `search.channels`.
      image_shape: (H, W, C).
      num_classes: K.
      form: `search`, which is right at second order; `plain`, the same without
        weight normalisation; or `training`, that of the final training.
      dtype: Keras dtype policy name.
    """

    num_cells: int
    channels: int
    image_shape: tuple[int, int, int]
    num_classes: int
    form: str = "search"
    dtype: str = "float32"


class Cost(NamedTuple):
    """What a network costs, without building it.

    Attributes:
      params: trained parameters.
      multiply_adds: per image.
    """

    params: int
    multiply_adds: int


class Interpreter(NamedTuple):
    """One traced graph that runs any architecture of a space.

    Attributes:
      init: (seed [2], architecture) -> (params, statistics).
      apply: as that of a `Learner`.
    """

    init: Callable[..., tuple]
    apply: Callable[..., tuple]


class WeightLayout(NamedTuple):
    """What the numbers are that an operation reads at a place.

    Attributes:
      fan_in: [operations, numbers]; 0 where it is no kernel.
      is_scale: [operations, numbers], whether a normalisation's scale.
      of_rows: [rows], the operation whose weights a row is; one that is
        another thing at another stride counts for each.
      graph: place of the cell's own graph in those of `SharedWeights.graphs`.
    """

    fan_in: np.ndarray
    is_scale: np.ndarray
    of_rows: np.ndarray
    graph: int = 0


#: Architecture -> (init, apply), as those of its `Learner`.
Assemble = Callable[[Architecture], tuple[Callable[..., tuple], ...]]


class SharedWeights(NamedTuple):
    """One network whose weights all architectures share.

    Its parameters are arrays, each either used by all, or with one row for
    each place of an operation and each operation there, of which an
    architecture uses a few.

    Attributes:
      init: seed [2] -> (params of all, what is the same for all of the
        statistics of `apply`).
      encode: architecture -> what its statistics begin with.
      rows: those -> the rows [E] that it uses of each of params; None: all.
      apply: as that of a `Learner`, of the params that one architecture uses.
      num_mixed: (places, operations) of `mix`.
      mix: None, or (params of all, statistics, shares of the operations
        [places, operations], images) -> logits, where all operations run at
        every place and their outputs are added by their shares; right at
        second order.
      derive: shares, as an array -> the architecture that they stand for.
      layouts: of each of params; None: all use it.
      num_kinds: of nodes of `graphs`.
      num_inputs: nodes that a graph begins with, which stand for the outputs of
        as many cells before, the last one first.
      weight_nodes: [E], the nodes whose weights the rows are.
      graphs: None, or architecture -> the kinds of nodes [G, V] and their links
        [G, V, V], 1 from a node to one that reads it, which comes later; of G
        different cells.
    """

    init: Callable[..., tuple]
    encode: Callable[..., list]
    rows: Callable[..., list]
    apply: Callable[..., tuple]
    num_mixed: tuple[int, int] = (0, 0)
    mix: Callable[..., tf.Tensor] | None = None
    derive: Callable[[np.ndarray], Architecture] | None = None
    layouts: Sequence[WeightLayout | None] = ()
    num_kinds: int = 0
    num_inputs: int = 1
    weight_nodes: Sequence[int] = ()
    graphs: Callable[[Architecture], tuple[np.ndarray, np.ndarray]] | None = (
        None
    )


class Space:
    """A space of architectures; a subclass has what it can, refuses the rest.

    `sample`, `to_text` and `from_text` are enough for a random search with
    evaluators that build nothing; `decisions`, `encode` and `decode` give
    `mutate` and `neighbours`. It is made with the keywords `num_nodes` and
    `ops`, of `search.num_nodes` and `search.ops`.

    Attributes:
      interprets: whether it has an `interpreter`.
      name: for messages; None: that of the class.
      assembles: whether it has an `assembler`.

    Raises (all of its functions):
      InputError: this space has no such function, or an architecture is not
        one of it.
    """

    interprets = False
    name: str | None = None
    assembles = False

    def sample(self, seed: Seed) -> Architecture:
        """Draws an architecture; architecture i is `sample((run_seed, i))`."""
        raise self.lacks("sample")

    def to_text(self, architecture: Architecture) -> str:
        """Returns one line, which `from_text` reads."""
        raise self.lacks("to_text")

    def from_text(self, text: str) -> Architecture:
        """Reads what `to_text` writes."""
        raise self.lacks("from_text")

    def to_json(self, architecture: Architecture) -> dict[str, Any]:
        """Returns what selected.json holds of it besides its text."""
        return {}

    def decisions(self) -> tuple[int, ...]:
        """Returns the number of options of each decision."""
        raise self.lacks("decisions")

    def encode(self, architecture: Architecture) -> tuple[int, ...]:
        """Returns the option that was taken at each decision, from 0."""
        raise self.lacks("encode")

    def decode(self, options: Sequence[int]) -> Architecture:
        """Returns the architecture of these options; undoes `encode`."""
        raise self.lacks("decode")

    def build(
        self, architecture: Architecture, network: NetworkSpec
    ) -> keras.Model:
        """Builds a network: [B, H, W, C] images -> [B, K] logits."""
        raise self.lacks("build")

    def interpreter(self, network: NetworkSpec) -> Interpreter:
        """Traces one graph for all architectures."""
        raise self.lacks("interpreter")

    def assembler(self, network: NetworkSpec) -> Assemble:
        """Returns what makes networks of pieces that are traced once."""
        raise self.lacks("assembler")

    def shared_weights(self, network: NetworkSpec) -> SharedWeights:
        """Makes one network of all architectures."""
        raise self.lacks("shared weights")

    def cost(self, architecture: Architecture, network: NetworkSpec) -> Cost:
        """Counts what `build` would build."""
        raise self.lacks("cost")

    def canonical(self, architecture: Architecture) -> Architecture:
        """Returns the one that stands for all of the same function."""
        return architecture

    def key(self, architecture: Architecture) -> str:
        """Returns 16 hexadecimal digits, equal for equal functions."""
        return key_of(self.to_text(self.canonical(architecture)))

    def mutate(self, architecture: Architecture, seed: Seed) -> Architecture:
        """Takes another option at one decision, both uniform.

        Draws again where the function is the same, as far as there is another.
        """
        rng = np.random.default_rng(seed)
        for _ in range(_MOST_DRAWS_PER_ARCHITECTURE):
            options = self.changed(architecture, rng)
            found = self.canonical(self.decode(options))
            if self.key(found) != self.key(architecture):
                break
        return found

    def changed(
        self, architecture: Architecture, rng: np.random.Generator
    ) -> list[int]:
        """Returns the options, another one at one decision."""
        options = list(self.encode(architecture))
        numbers = self.decisions()
        open_ones = [i for i, number in enumerate(numbers) if number > 1]
        if not open_ones:
            raise self.lacks("mutate (it holds one architecture)")
        chosen = open_ones[int(rng.integers(len(open_ones)))]
        step = 1 + int(rng.integers(numbers[chosen] - 1))
        options[chosen] = (options[chosen] + step) % numbers[chosen]
        return options

    def rewritten(self, architecture: Architecture, seed: Seed) -> Architecture:
        """Draws another way to write the same function, or the same way."""
        del seed
        return architecture

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yields those that differ in one decision, each function once."""
        options = list(self.encode(architecture))
        seen = {self.key(architecture)}
        for position, number in enumerate(self.decisions()):
            for option in range(number):
                changed = list(options)
                changed[position] = option
                other = self.canonical(self.decode(changed))
                if self.key(other) not in seen:
                    seen.add(self.key(other))
                    yield other

    def sample_different(
        self, count: int, seed: Sequence[int], asked_by: str
    ) -> dict[str, Architecture]:
        """Draws `count` different architectures, canonical, by key.

        Args:
          count: of architectures; a higher one draws the same ones first.
          seed: draw i is `sample((*seed, i))`.
          asked_by: the config key that says how many, for the error.

        Raises:
          InputError: the space holds fewer.
        """
        found: dict[str, Architecture] = {}
        most = _MOST_DRAWS_PER_ARCHITECTURE * count
        for draw in range(most):
            architecture = self.canonical(self.sample((*seed, draw)))
            found.setdefault(self.key(architecture), architecture)
            if len(found) == count:
                return found
        raise InputError(
            f"{asked_by} is {count}; {len(found)} different genotypes were "
            f"found in {most} draws; lower it{self.how_to_have_more(asked_by)}"
        )

    def how_to_have_more(self, asked_by: str) -> str:
        """Returns what enlarges the space, " or .." for a message.

        Args:
          asked_by: as of `sample_different`.
        """
        return ""

    def lacks(self, name: str) -> InputError:
        """Returns the error of a space that has no such function."""
        return InputError(
            f"search.space {self.name or type(self).__name__!r} has no "
            f"{name}; expected a space that has; choose another "
            "--config.search.space, strategy or evaluator"
        )
