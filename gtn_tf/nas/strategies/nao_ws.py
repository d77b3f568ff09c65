"""Neural architecture optimization with weight sharing (arXiv 1808.07233).

NAONet-WS, section 4.3 there: a supernet is trained on the architectures of a
pool, each step of one of them; at the end of a round it scores the pool, what
predicts scores is trained on that anew, and new architectures, moved from the
best along its gradient, take the place of the worst. In the end the pool is
proposed, the best first; the supernet is kept, and the evaluator `supernet`
scores by it.

* Predictor, moves and decoder are those of `nao`, which learns ranks.
* A pool is scored on the same images; published is one batch for each.
* The supernet is that of `supernets`: no auxiliary head, no drop path.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from gtn_tf.nas.strategies.nao import NAO
from gtn_tf.nas.strategies.strategy import Found

if TYPE_CHECKING:
    from gtn_tf.nas.session import Session


@dataclasses.dataclass(frozen=True)
class NAOWS:
    """Trains a supernet on a pool, and renews the pool by it.

    Attributes:
      num_rounds: each of an epoch or more, with the pool renewed between them.
      num_epochs: of the supernet in a round.
      pool: architectures.
      num_new: of them, of a round.
      num_network_epochs: of encoder, predictor and decoder.
    """

    num_rounds: int
    num_epochs: int
    pool: int
    num_new: int
    num_network_epochs: int

    adapts: ClassVar[bool] = False

    @property
    def proposer(self) -> NAO:
        """What finds new architectures."""
        return NAO(self.pool, self.num_new, self.num_network_epochs)

    def find(self, session: "Session", workdir: Path) -> Found:
        """See `Coupled`."""
        from gtn_tf.nas.nao_ws_training import find  # TensorFlow

        return find(self, session, workdir)
