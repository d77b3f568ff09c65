"""Second derivatives that are wrong or missing, by a network's operations.

`second_order` knows layers. What a network computes by functions of its own
shows here, in what it traces to.
"""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from gtn_tf.learners.functional import Learner
from gtn_tf.ops.seeds import root_seed
from gtn_tf.types import InputError

#: TensorFlow operations without a second derivative, or with a wrong one.
_WRONG = (
    "AdjustHue",
    "AdjustSaturation",
    "CropAndResize",
    "FusedResizeAndPadConv2D",
    "ImageProjectiveTransformV2",
    "ImageProjectiveTransformV3",
    "LRN",
    "ResizeArea",
    "ResizeBicubic",
    "ResizeBilinear",
    "ResizeNearestNeighbor",
    "ScaleAndTranslate",
    "Softsign",
)


def check_second_derivatives(
    learner: Learner, image_shape: tuple[int, int, int]
) -> None:
    """Refuses a learner that cannot be differentiated twice.

    Args:
      learner: of a person's network.
      image_shape: (H, W, C) of the data.

    Raises:
      InputError: naming the first such operation.
    """
    params, statistics = learner.init(root_seed(0))

    @tf.function(autograph=False)
    def apply(images: tf.Tensor) -> tf.Tensor:
        return learner.apply(params, statistics, images, training=True)[0]

    spec = tf.TensorSpec((2, *image_shape), tf.float32)
    graph = apply.get_concrete_function(spec).graph.as_graph_def()
    functions = [function.node_def for function in graph.library.function]
    for nodes in (graph.node, *functions):
        for node in _wrong(nodes):
            raise InputError(
                f"operation '{node.name}' ({node.op}) has a wrong second "
                "derivative or none; meta-training differentiates a learner "
                "twice; use other functions or a layer of Keras for it"
            )


def _wrong(nodes: Any) -> Iterator[Any]:
    kinds = {node.name: node.op for node in nodes}
    for node in nodes:
        # tf.nn.moments: the variance takes its mean for a constant.
        sources = (kinds.get(name.split(":")[0]) for name in node.input)
        is_moments = (
            node.op == "SquaredDifference" and "StopGradient" in sources
        )
        # See layers.pooling: such a kernel overwrites its input.
        is_pool = (
            node.op == "MaxPool"
            and node.attr["padding"].s == b"SAME"
            and set(node.attr["strides"].list.i) == {1}
        )
        if is_moments or is_pool or node.op in _WRONG:
            yield node
