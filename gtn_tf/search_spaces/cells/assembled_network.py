"""A network of traced pieces.

The graph of one architecture holds the pieces that it needs, each traced once
for all architectures. Numbers are to the bit those of the graph that interprets
any architecture, so gradients are added in the order in which a tape of that
graph meets them: what nobody needs here has its place in that order.
"""

import collections
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from gtn_tf.search_spaces.cells.interpreted_edge import Tensors
from gtn_tf.search_spaces.cells.traced_block import TracedBlock


class _Step(NamedTuple):
    """How one value is computed of others.

    Attributes:
      kind: the method of `AssembledNetwork` that added it.
      reads: what that graph reads, by number.
      needs: what is needed, likewise.
      make: of a block: makes it.
      seed: of a block: the number of its seed.
      mask: of a masked block: [C].
      shape: (H, W, C) of what is zero.
    """

    kind: str
    reads: tuple[int, ...] = ()
    needs: tuple[int, ...] = ()
    make: Callable[[], TracedBlock] | None = None
    seed: int = 0
    mask: tf.Tensor | None = None
    shape: tuple[int, ...] = ()


class AssembledNetwork:
    """Values that are computed one after the other, logits the last.

    Each method adds one and returns its number; the images are number 0.

    Args:
      fold_seeds: seed [2] -> the seeds that blocks name, traced.
    """

    IMAGES = 0

    def __init__(self, fold_seeds: Callable[[tf.Tensor], Tensors]) -> None:
        self._fold_seeds = fold_seeds
        self._steps = [_Step("images")]

    def block(
        self,
        make: Callable[[], TracedBlock],
        reads: Sequence[int],
        seed: int,
        mask: tf.Tensor | None = None,
        needs: int | None = None,
    ) -> int:
        """Runs a piece on what it needs; None: the first that it reads."""
        needs = reads[0] if needs is None else needs
        step = _Step("block", tuple(reads), (needs,), make, seed, mask)
        return self._append(step)

    def same(self, reads: Sequence[int], needs: int | None = None) -> int:
        """Repeats what is needed, as `block`."""
        needs = reads[0] if needs is None else needs
        return self._append(_Step("same", tuple(reads), (needs,)))

    def nothing(self, read: int) -> int:
        """Reads a value, and is worth nothing in a sum."""
        return self._append(_Step("nothing", (read,)))

    def add(self, left: int, right: int) -> int:
        """Adds two values."""
        needs = [n for n in (left, right) if not self.is_nothing(n)]
        return self._append(_Step("add", (left, right), tuple(needs)))

    def is_nothing(self, number: int) -> bool:
        """Whether a value is worth nothing."""
        step = self._steps[number]
        return step.kind in ("nothing", "add") and not step.needs

    def zeros(self, read: int, shape: tuple[int, ...]) -> int:
        """Returns zeros [B, *shape] in the place of a value."""
        return self._append(_Step("zeros", (read,), shape=tuple(shape)))

    def group(self, reads: Sequence[int]) -> int:
        """Groups values, whose readers' gradients are added by themselves."""
        return self._append(_Step("group", tuple(reads)))

    def pick(self, group: int, number: int) -> int:
        """Returns one value of a group."""
        return self._append(_Step("pick", (group,), (number,)))

    def concat(
        self, reads: Sequence[int], needs: Sequence[int], shape: Sequence[int]
    ) -> int:
        """Concatenates channels; zeros of `shape` for what is not needed."""
        step = _Step("concat", tuple(reads), tuple(needs), shape=tuple(shape))
        return self._append(step)

    def _append(self, step: _Step) -> int:
        self._steps.append(step)
        return len(self._steps) - 1

    def end(self) -> tuple[Callable[..., tuple], Callable[..., tuple]]:
        """Returns `init` and `apply` of a `Learner`.

        Params are one flat vector, and so are statistics.
        """
        needed = {len(self._steps) - 1}
        for number in reversed(range(len(self._steps))):
            if number in needed:
                needed.update(self._steps[number].needs)
        self._needed = sorted(needed - {self.IMAGES})
        self._blocks = {
            number: self._steps[number].make()
            for number in self._needed
            if self._steps[number].kind == "block"
        }
        return self._init, self._apply

    def _init(self, seed: tf.Tensor) -> tuple[Tensors, Tensors]:
        seeds = self._fold_seeds(seed)
        drawn = [
            block.draw(
                seeds[self._steps[number].seed], self._steps[number].mask
            )
            for number, block in self._blocks.items()
        ]
        params, statistics = zip(*drawn, strict=True)
        return [tf.concat(params, 0)], [tf.concat(statistics, 0)]

    def _apply(
        self,
        params: Tensors,
        statistics: Tensors,
        images: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, Tensors]:
        given = self._split(*params, *statistics)
        if not training:  # and no gradient
            values = self._compute(
                images,
                lambda number, inputs: self._blocks[number].predict(
                    *given[number], inputs
                ),
            )
            return values[self._needed[-1]], statistics

        @tf.custom_gradient
        def run(params: tf.Tensor) -> tuple:
            return self._train(self._split(params, *statistics), images)

        logits, after = run(*params)
        return logits, [after]

    def _split(
        self, params: tf.Tensor, statistics: tf.Tensor
    ) -> dict[int, Tensors]:
        """Returns [params, statistics] of each block."""
        blocks = self._blocks.values()
        pieces = zip(
            tf.split(params, [block.param_size for block in blocks]),
            tf.split(statistics, [block.statistics_size for block in blocks]),
            strict=True,
        )
        return dict(zip(self._blocks, map(list, pieces), strict=True))

    def _compute(
        self,
        images: tf.Tensor,
        run_block: Callable[[int, tf.Tensor], tf.Tensor],
    ) -> dict[int, tf.Tensor]:
        values = {self.IMAGES: images}
        for number in self._needed:
            step = self._steps[number]
            needed = [values[n] for n in step.needs]
            if step.kind == "block":
                values[number] = run_block(number, *needed)
            elif step.kind == "add" and len(needed) > 1:
                values[number] = needed[0] + needed[1]
            elif step.kind in ("concat", "zeros"):
                dtype = needed[0].dtype if needed else images.dtype
                zeros = tf.zeros((images.shape[0], *step.shape), dtype)
                parts = [
                    values[n] if n in step.needs else zeros for n in step.reads
                ]
                values[number] = tf.concat(parts, -1)
            else:
                values[number] = needed[0]
        return values

    def _train(self, given: dict[int, Tensors], images: tf.Tensor) -> tuple:
        kept, after = {}, []

        def run_block(number: int, inputs: tf.Tensor) -> tf.Tensor:
            given[number].append(inputs)
            results, kept[number] = self._blocks[number].forward(*given[number])
            after.append(results[1])
            return results[0]

        values = self._compute(images, run_block)

        def gradient(upstream: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            found = {
                number: tf.zeros_like(params)
                for number, (params, *_) in given.items()
            }

            def of_block(number: int, upstream: tf.Tensor) -> tf.Tensor:
                found[number], to_inputs = self._blocks[number].backward(
                    given[number], upstream, kept[number]
                )
                return to_inputs

            self._go_back(upstream, of_block)
            return tf.concat(list(found.values()), 0)

        return (values[self._needed[-1]], tf.concat(after, 0)), gradient

    def _go_back(
        self,
        upstream: tf.Tensor,
        of_block: Callable[[int, tf.Tensor], tf.Tensor],
    ) -> None:
        """Goes from the logits to the images, as a tape does.

        A value is ready when all that read it have had their turn; turns are
        in the order of that.
        """
        num_readers = collections.Counter(
            number for step in self._steps for number in step.reads
        )
        # By number; of a group, by (group, number).
        terms: dict[object, Tensors] = collections.defaultdict(list)
        ready = collections.deque([len(self._steps) - 1])
        terms[ready[0]].append(upstream)
        while ready:
            number = ready.popleft()
            step = self._steps[number]
            upstream = _sum(terms.pop(number, []))
            for read, term in self._terms(number, upstream, of_block, terms):
                if term is not None:
                    terms[read].append(term)
            for read in step.reads:
                num_readers[read] -= 1
                if not num_readers[read] and read != self.IMAGES:
                    ready.append(read)

    def _terms(
        self,
        number: int,
        upstream: tf.Tensor | None,
        of_block: Callable[[int, tf.Tensor], tf.Tensor],
        terms: dict[object, Tensors],
    ) -> list[tuple[object, tf.Tensor | None]]:
        """Returns (value, what this step adds to its gradient)."""
        step = self._steps[number]
        if step.kind == "group":
            # A sum over the rows of an index, one by one.
            return [
                (n, functools.reduce(tf.add, found))
                for n in step.reads
                if (found := terms.pop((number, n), []))
            ]
        if upstream is None:
            return []
        if step.kind == "pick":
            return [((*step.reads, *step.needs), upstream)]
        if step.kind == "block":
            return [(step.needs[0], of_block(number, upstream))]
        if step.kind == "concat":
            parts = tf.split(upstream, len(step.reads), -1)
            pairs = zip(step.reads, parts, strict=True)
            return [(n, part) for n, part in pairs if n in step.needs]
        return [(n, upstream) for n in step.needs]


def _sum(terms: Tensors) -> tf.Tensor | None:
    """Adds in the order of `AddN`, whatever TensorFlow shares of them.

    That begins with the first tensor whose memory it may write to.
    """
    if not terms:
        return None
    ids = [id(term) for term in terms]
    alone = (n for n, found in enumerate(ids) if ids.count(found) == 1)
    first = next(alone, 0)
    terms = list(terms)
    terms[0], terms[first] = terms[first], terms[0]
    return functools.reduce(tf.add, terms)
