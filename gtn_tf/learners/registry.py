"""The learners that `learner.name` names; no TensorFlow here.

Names in brackets are the official code's. Its base_larger3 and base_larger4
are known by name only; `conv3_*` and `conv7_*` are ours.
"""

import dataclasses

#: A convolution block's way of reducing its size: a stride, or a max-pool.
POOL = "pool"


@dataclasses.dataclass(frozen=True)
class Family:
    """A sequential learner's plan.

    Attributes:
      blocks: one entry per convolution block, its stride or `POOL`.
      global_pool: average over all pixels before the dense layers, instead
        of flattening.
      widths: units of each convolution block, then of each hidden dense
        layer; the official ones.
    """

    blocks: tuple[int | str, ...]
    global_pool: bool
    widths: tuple[int, ...]


FAMILIES = {
    "conv2_fc": Family((POOL, POOL), False, (64, 128, 256)),  # base_fc
    "conv2_pool": Family((POOL, POOL), True, (64, 128)),  # base
    "conv5_pool": Family(  # base_larger2, the CIFAR-10 learner
        (1, 2, 1, 2, 1), True, (64, 128, 128, 256, 256)
    ),
    "conv3_fc": Family((POOL,) * 3, False, (64, 128, 256, 256)),
    "conv3_pool": Family((POOL,) * 3, True, (64, 128, 256)),
    "conv7_fc": Family(
        (1, POOL, 1, POOL, 1, POOL, 1),
        False,
        (64, 64, 128, 128, 256, 256, 256, 256),
    ),
    "conv7_pool": Family(
        (1, POOL, 1, POOL, 1, POOL, 1),
        True,
        (64, 64, 128, 128, 256, 256, 256),
    ),
    "mlp": Family((), False, (256, 128)),  # linear
}

#: Networks of a search space; see `search_spaces.cells`.
CELL = "cell"

LEARNERS = (*FAMILIES, CELL)

#: `learner.pool` -> (number, image_shape, num_classes, seed, dtype) ->
#: learners, drawn.
POOLS = {"ordinary": "gtn_tf.learners.pool:ordinary_learners"}
