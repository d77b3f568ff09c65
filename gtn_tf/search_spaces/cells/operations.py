"""The operations of the cell space, as data; imports no TensorFlow.

Names and ids are those of NAO and of the official code. Its two average pools
of 3x3 differ: id 2 divides by the pixels inside the image, id 14 by nine. Here
`avg3x3` is id 14, one of the eleven of the paper's space, and
`avg3x3_unpadded` is id 2, which ENAS, NAO's weight sharing and (without ids)
NASNet, AmoebaNet and DARTS use.
"""

from typing import NamedTuple


class Op(NamedTuple):
    """One operation on C channels.

    Attributes:
      kind: "identity", "conv", "separable", "max" or "avg".
      kernels: (height, width) in pixels of what is applied in turn. A
        separable kernel stands for depthwise and 1x1 convolution. Every
        convolution follows an activation and precedes a normalisation.
      dilation: of separable kernels.
      counts_padding: of average pools: divide by the kernel's area at the
        border too.
    """

    kind: str
    kernels: tuple[tuple[int, int], ...] = ()
    dilation: int = 1
    counts_padding: bool = True


#: Name -> operation. The first eleven are the paper's.
OPS = {
    "identity": Op("identity"),
    "conv1x1": Op("conv", ((1, 1),)),
    "conv3x3": Op("conv", ((3, 3),)),
    "conv1x3_3x1": Op("conv", ((1, 3), (3, 1))),
    "conv1x7_7x1": Op("conv", ((1, 7), (7, 1))),
    "max2x2": Op("max", ((2, 2),)),
    "max3x3": Op("max", ((3, 3),)),
    "max5x5": Op("max", ((5, 5),)),
    "avg2x2": Op("avg", ((2, 2),)),
    "avg3x3": Op("avg", ((3, 3),)),
    "avg5x5": Op("avg", ((5, 5),)),
    "sep3x3": Op("separable", ((3, 3), (3, 3))),
    "sep5x5": Op("separable", ((5, 5), (5, 5))),
    "sep7x7": Op("separable", ((7, 7), (7, 7))),
    "dil_sep3x3": Op("separable", ((3, 3),), dilation=2),
    "dil_sep5x5": Op("separable", ((5, 5),), dilation=2),
    "avg3x3_unpadded": Op("avg", ((3, 3),), counts_padding=False),
}

#: Id in the encoding of NAO and of the official code -> name.
NAO_OPS = (
    "sep3x3",
    "sep5x5",
    "avg3x3_unpadded",
    "max3x3",
    "identity",
    "identity",
    "conv1x1",
    "conv3x3",
    "conv1x3_3x1",
    "conv1x7_7x1",
    "max2x2",
    "max3x3",
    "max5x5",
    "avg2x2",
    "avg3x3",
    "avg5x5",
)
