"""Differentiable architecture search (Liu et al., arXiv 1806.09055).

All operations run at every place, added by the softmax of numbers, alpha, that
are trained on one half of the training images, each before a step of the
weights on the other half. The network is that of the supernet's weights.

* What is found stands for the largest alphas but those of `none`; of the cell
  space a node keeps the two states of the largest ones, as published. A cell of
  five nodes and eleven operations runs 220 of them there.
* Normalisation has its scale and offset, and weights are not decayed, as in
  all networks of a search here. Nor is the norm of their gradient clipped,
  published at 5; the cosine of their rate ends at 0, published at 0.001.
* What is known of it holds here too: with enough epochs skips take over, and
  on NAS-Bench-201 a cell of skips alone is the expected result (arXiv
  2001.00326, table 5). So the architectures of earlier epochs are proposed
  after the last one, and the row of every epoch says what it stands for.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from gtn_tf.nas.strategies.strategy import Found

if TYPE_CHECKING:
    from gtn_tf.nas.session import Session


@dataclasses.dataclass(frozen=True)
class Darts:
    """Trains itself and ends in one architecture.

    Attributes:
      num_epochs: of half the training images.
      second_order: whether alpha's gradient takes the step of the weights into
        account.
      learning_rate: of Adam, for alpha.
    """

    num_epochs: int
    second_order: bool
    learning_rate: float

    adapts: ClassVar[bool] = False

    def find(self, session: "Session", workdir: Path) -> Found:
        """See `Coupled`."""
        from gtn_tf.nas.mixed_training import find  # TensorFlow

        return find(self, session, workdir)
