"""A network that reads an architecture and writes its weights.

Graph hypernetworks (Zhang, Ren and Urtasun, arXiv 1810.05749): states of the
nodes of an architecture's graph, which send each other messages forwards and
backwards along it, become the weights of the operations there (sections 3.2
and 3.3). All cells of a network have a graph and the same hypernetwork; the
mean of a cell's states is a message to the inputs of cells that read it.

* A block of weights is as long as the widest operation's; each reads its own
  from the front. Stem, reductions and classifier are learned, not written.
* Of normalisation, scales are 1 + what is written and offsets what is written.
  With `normalizes` they are bounded, and kernels have the variance of fresh
  ones, as in GHN-2 (Knyazev et al., arXiv 2110.13100, section 3.3): its virtual
  edges, its layer normalisation and its sizes as features are not here.
* As the paper's appendix was not at hand, rates are GHN-2's: Adam, gradients of
  norm 5 at most; by a cosine, as all networks here.
"""

import tensorflow as tf

from gtn_tf.datasets.batches import RealData
from gtn_tf.meta.inner_loop import cross_entropy
from gtn_tf.meta.inner_optimizers import ADAM
from gtn_tf.nas.spec import HyperNetworkSpec
from gtn_tf.nas.weight_sources import Tensors, WeightSource
from gtn_tf.ops.seeds import ALGORITHM, fold
from gtn_tf.search_spaces.protocol import (
    Architecture,
    SharedWeights,
    WeightLayout,
)
from gtn_tf.types import LearnerState, SyntheticData

_UNITS = 32  # of a node's state
_HIDDEN = 64  # of what writes weights
_CLIP_NORM = 5.0


class HyperNetwork(WeightSource):
    """Variables of the hypernetwork and of what architectures share.

    Shapes: V nodes, E of them with weights, I inputs; G graphs; U units.

    Args:
      shared: of the space; its layers are not weight-normalised.
      validation: see `WeightSource`.
      spec: how it reads and writes.
      seed: [2], of the initial values.
    """

    def __init__(
        self,
        shared: SharedWeights,
        validation: RealData,
        spec: HyperNetworkSpec,
        seed: tf.Tensor,
    ) -> None:
        self._spec = spec
        drawn, self._statistics = shared.init(fold(seed, 0))
        self._layouts = [v for v in shared.layouts if v is not None]
        sizes = [layout.fan_in.shape[1] for layout in self._layouts]
        shapes = {
            **dict.fromkeys(("message_1", "message_2"), (_UNITS, _UNITS)),
            "gates": (2 * _UNITS, 2 * _UNITS),
            "candidate": (2 * _UNITS, _UNITS),
            "write_1": (_UNITS, _HIDDEN),
            "write_2": (_HIDDEN, max(sizes)),
        }
        kinds = _drawn((shared.num_kinds, _UNITS), fold(seed, 1))
        self._own = {"kinds": tf.Variable(kinds)}
        for number, (name, shape) in enumerate(shapes.items(), start=2):
            value = _drawn(shape, fold(seed, number))
            scale = shape[0] ** -0.5
            self._own[name] = tf.Variable(scale * value)
            bias = tf.zeros(shape[1:])
            self._own[f"{name}_bias"] = tf.Variable(bias)
        self._learned = [
            tf.Variable(value)
            for value, layout in zip(drawn, shared.layouts, strict=True)
            if layout is None
        ]
        self.params = [*self._own.values(), *self._learned]
        start = ADAM.init([tf.convert_to_tensor(v) for v in self.params])
        self.slots = [tf.Variable(value) for value in start]
        # Many nodes and phases, one trace.
        self._traced_sweep = tf.function(
            self._sweep,
            autograph=False,
            experimental_attributes={"_noinline": True},
        )
        super().__init__(shared, validation)

    def tell(self, architecture: Architecture) -> Tensors:
        """See `WeightSource`."""
        kinds, links = self._shared.graphs(architecture)
        return [
            *self._shared.encode(architecture),
            tf.constant(kinds, tf.int32),
            tf.constant(links, tf.float32),
        ]

    def path(self, told: Tensors) -> LearnerState:
        """See `WeightSource`."""
        *encoded, kinds, links = told
        blocks = iter(self.blocks(kinds, links))
        learned, layouts = iter(self._learned), iter(self._layouts)
        params = []
        for rows in self._shared.rows(encoded):
            if rows is None:
                params.append(tf.convert_to_tensor(next(learned)))
            else:
                params.append(self.formed(next(blocks), next(layouts), rows))
        return LearnerState(params, [*encoded, *self._statistics], [])

    def blocks(self, kinds: tf.Tensor, links: tf.Tensor) -> Tensors:
        """Returns what is written for each cell, [E, the longest block].

        Args:
          kinds: [G, V], see `SharedWeights.graphs`.
          links: [G, V, V], see there.
        """
        given = tf.zeros((self._shared.num_inputs, _UNITS))
        read = []
        for layout in self._layouts:
            own_links = links[layout.graph]
            states = tf.gather(self._own["kinds"], kinds[layout.graph])
            for _ in range(self._spec.num_phases):
                states = self._traced_sweep(states, own_links, given)
            sent = self._message(tf.reduce_mean(states, 0, keepdims=True))
            given = tf.concat([sent, given[:-1]], 0)
            read.append(tf.gather(states, self._shared.weight_nodes))
        hidden = tf.nn.relu(self._dense("write_1", tf.concat(read, 0)))
        return tf.split(self._dense("write_2", hidden), len(read))

    def formed(
        self, block: tf.Tensor, layout: WeightLayout, rows: tf.Tensor
    ) -> tf.Tensor:
        """Makes the weights of a cell of what is written for it.

        Args:
          block: [E, the longest block].
          layout: of the cell's weights.
          rows: [E], as `SharedWeights.rows`.
        """
        block = block[:, : layout.fan_in.shape[1]]
        op = tf.gather(layout.of_rows, rows)
        fan_in = tf.gather(layout.fan_in, op)
        is_scale = tf.gather(layout.is_scale, op)
        if not self._spec.normalizes:
            return tf.where(is_scale, 1.0 + block, block)
        kernel = block * tf.sqrt(2.0 / tf.maximum(fan_in, 1.0))
        scale, offset = 2.0 * tf.sigmoid(0.5 * block), tf.tanh(0.2 * block)
        return tf.where(fan_in > 0.0, kernel, tf.where(is_scale, scale, offset))

    def _sweep(
        self, states: tf.Tensor, links: tf.Tensor, given: tf.Tensor
    ) -> tf.Tensor:
        """Passes messages from the first node to the last, and back.

        Args:
          states: [V, U].
          links: [V, V].
          given: [I, U], messages to the inputs.
        """
        nodes = tf.split(states, states.shape[0])
        to_inputs = tf.split(given, given.shape[0])
        sent: Tensors = []
        for number, state in enumerate(nodes):
            if number < len(to_inputs):
                told = to_inputs[number]
            else:
                told = links[:number, number][None] @ tf.concat(sent, 0)
            nodes[number] = self._updated(state, told)
            sent.append(self._message(nodes[number]))
        for number in reversed(range(len(nodes) - 1)):
            told = links[number, number + 1 :][None] @ tf.concat(
                sent[number + 1 :], 0
            )
            nodes[number] = self._updated(nodes[number], told)
            sent[number] = self._message(nodes[number])
        return tf.concat(nodes, 0)

    def _updated(self, state: tf.Tensor, told: tf.Tensor) -> tf.Tensor:
        """A gated recurrent unit."""
        both = tf.concat([told, state], -1)
        keep, reset = tf.split(tf.sigmoid(self._dense("gates", both)), 2, -1)
        both = tf.concat([told, reset * state], -1)
        new = tf.tanh(self._dense("candidate", both))
        return keep * state + (1.0 - keep) * new

    def _message(self, state: tf.Tensor) -> tf.Tensor:
        hidden = tf.nn.relu(self._dense("message_1", state))
        return self._dense("message_2", hidden)

    def _dense(self, name: str, inputs: tf.Tensor) -> tf.Tensor:
        return inputs @ self._own[name] + self._own[f"{name}_bias"]

    def _update(self, told: Tensors, data: SyntheticData) -> None:
        with tf.GradientTape() as tape:
            state = self.path(told)
            logits, _ = self._learner.apply(*state[:2], data.images, True)
            loss = cross_entropy(logits, data.labels)
        gradients = tape.gradient(
            loss,
            self.params,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        gradients, norm = tf.clip_by_global_norm(gradients, _CLIP_NORM)
        after, slots = ADAM.update(
            gradients,
            [tf.convert_to_tensor(v) for v in self.params],
            [tf.convert_to_tensor(v) for v in self.slots],
            data.hyperparameters,
        )
        # One architecture may blow up; that is no reason to lose all.
        is_finite = tf.math.is_finite(norm)
        for variable, value in zip(
            (*self.params, *self.slots), (*after, *slots), strict=True
        ):
            variable.assign(tf.where(is_finite, value, variable))


def _drawn(shape: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_normal(shape, seed, alg=ALGORITHM)
