"""Efficient neural architecture search (Pham et al., arXiv 1802.03268).

A controller and a supernet in alternation: an epoch of the supernet, each step
of an architecture that the controller draws, then updates of the controller by
REINFORCE, whose reward is the accuracy of a batch of validation images. In the
end the controller draws what is proposed; the supernet is kept, and the
evaluator `supernet` scores by it.

* The controller is that of `reinforce`: no entropy bonus, no bounds on its
  logits, no bias of theirs towards convolutions; its baseline begins without a
  bias. Its LSTM has a softmax for each decision, where the published one
  attends over earlier nodes to choose inputs; Adam has beta_1 0.9 and epsilon
  1e-8, published 0 and 1e-3.
* All architectures of an update are scored on the same images.
* The supernet is that of `supernets`: no restarts of its rate, no Nesterov
  momentum, no auxiliary head, dropout or weight decay.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from gtn_tf.nas.strategies.reinforce import Reinforce
from gtn_tf.nas.strategies.strategy import Found

if TYPE_CHECKING:
    from gtn_tf.nas.session import Session


@dataclasses.dataclass(frozen=True)
class Enas:
    """Trains a controller and the weights that it is rewarded by.

    Attributes:
      num_epochs: of the training images.
      num_updates: of the controller after each of them.
      policy, learning_rate, baseline_decay, batch: of the controller; see
        `Reinforce`.
    """

    num_epochs: int
    num_updates: int
    policy: str
    learning_rate: float
    baseline_decay: float
    batch: int

    adapts: ClassVar[bool] = False

    @property
    def controller(self) -> Reinforce:
        """What draws architectures and learns."""
        return Reinforce(
            self.policy, self.learning_rate, self.baseline_decay, self.batch
        )

    def find(self, session: "Session", workdir: Path) -> Found:
        """See `Coupled`."""
        from gtn_tf.nas.enas_training import find  # TensorFlow

        return find(self, session, workdir)
