"""What rounding may cost, from the size of the numbers."""

import numpy as np


def assert_close(actual, expected, num_roundings, scale=None, err_msg=""):
    """Asserts |actual - expected| <= num_roundings * eps * scale.

    Two computations of one number differ in the order of their sums, which
    depends on the processor, the number of threads and the shape of a batch.
    Each rounding on the way is of up to eps times the numbers that are added,
    so the difference follows the largest of them: an element near zero is no
    closer than one that is not.

    Args:
      actual: array, tensor or number; its dtype, or that of `expected` where
        that is coarser, gives eps. Integers are to be equal.
      expected: of the same shape.
      num_roundings: how many follow on one another: terms of the sums, one
        after the other, through all layers and steps.
      scale: the largest number on the way; of `expected` where None.
      err_msg: names what is compared.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    dtypes = [v.dtype for v in (actual, expected) if v.dtype.kind == "f"]
    eps = max((np.finfo(dtype).eps for dtype in dtypes), default=0.0)
    scale = np.abs(expected).max() if scale is None else scale
    np.testing.assert_allclose(
        actual,
        expected,
        rtol=0,
        atol=num_roundings * float(eps) * float(scale),
        err_msg=err_msg,
    )
