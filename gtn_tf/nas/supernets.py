"""One network for all architectures: each trains the weights that it uses.

Single paths, drawn uniformly (Li and Talwalkar, arXiv 1902.07638; Guo et al.,
1904.00420). Operations have weights of their own at every place; the stem and
all else that is in every architecture are shared as a whole.

Other than with the former: no clipping of gradients, no weight decay, a cosine
to 0 in place of 0.001; all training images, theirs are half of them, the other
half scores; and statistics of the batch in scoring, theirs are running ones.

A step changes the weights and the momentum of its own path. Those of other
operations stay as they are: their momentum does not go on, and does not decay.
Of what is shared as a whole, the part that reads a state which a cell does not
put out has no gradient, and goes on by its momentum.
"""

import tensorflow as tf

from gtn_tf.datasets.batches import RealData
from gtn_tf.meta.inner_loop import inner_step
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.nas.weight_sources import Tensors, WeightSource
from gtn_tf.search_spaces.protocol import Architecture, SharedWeights
from gtn_tf.types import LearnerState, SyntheticData


class Supernet(WeightSource):
    """Weights and momenta of all architectures, as variables.

    Args:
      shared: of the space.
      validation: see `WeightSource`.
      seed: [2], of the initial weights.
    """

    def __init__(
        self, shared: SharedWeights, validation: RealData, seed: tf.Tensor
    ) -> None:
        params, self._statistics = shared.init(seed)
        self.params = [tf.Variable(value) for value in params]
        self.slots = [tf.Variable(tf.zeros_like(value)) for value in params]
        super().__init__(shared, validation)

    def tell(self, architecture: Architecture) -> Tensors:
        """See `WeightSource`."""
        return self._shared.encode(architecture)

    def path(self, told: Tensors) -> LearnerState:
        """See `WeightSource`; with the path's momenta."""
        rows = self._shared.rows(told)
        params, slots = (
            [
                tf.convert_to_tensor(v) if row is None else tf.gather(v, row)
                for v, row in zip(variables, rows, strict=True)
            ]
            for variables in (self.params, self.slots)
        )
        return LearnerState(params, [*told, *self._statistics], slots)

    def _update(self, told: Tensors, data: SyntheticData) -> None:
        state = inner_step(self._learner, SGD, self.path(told), data)
        rows = self._shared.rows(told)
        for variables, values in (
            (self.params, state.params),
            (self.slots, state.slots),
        ):
            for variable, value, row in zip(
                variables, values, rows, strict=True
            ):
                if row is None:
                    variable.assign(value)
                else:
                    variable.scatter_nd_update(row[:, None], value)
