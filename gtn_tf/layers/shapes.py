"""Shapes of layers' outputs, for Keras, which runs a layer to find out else.

Half the time of building a model went there.
"""

import keras

#: Of a tensor; None where it is not known, as of a batch.
Shape = tuple[int | None, ...]


class SameShape(keras.layers.Layer):
    """A layer whose outputs have the shape of its inputs."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """See `keras.Layer`."""
        return tuple(input_shape)


def strided(
    pixels: int | None, stride: int, size: int = 1, padding: str = "same"
) -> int | None:
    """Returns how many places a window of so many pixels has along a side.

    Args:
      pixels: of the side.
      stride: from one place to the next.
      size: of the window, its gaps among it.
      padding: "same" or "valid".
    """
    if pixels is None:
        return None
    covered = pixels if padding == "same" else pixels - size + 1
    return -(-covered // stride)
