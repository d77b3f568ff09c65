import numpy as np
import pytest

from gtn_tf.layers.spec import LayerSpec


def _draw(name, shape):
    layer = LayerSpec(weight_norm=False, initializer=name).conv(
        shape[-1], shape[:2]
    )
    layer.build((None, None, None, shape[2]))
    return layer.kernel.numpy()


@pytest.mark.parametrize(
    ("name", "factor"),
    [("he_normal", 1.0), ("he_normal_half", 0.5), ("he_normal_double", 2.0)],
)
def test_scale_of_initial_kernels(name, factor):
    kernel = _draw(name, (3, 3, 50, 60))
    assert kernel.std() == pytest.approx(factor * (2 / 450) ** 0.5, rel=0.02)


def test_other_initial_kernels():
    kernel = _draw("glorot_normal", (3, 3, 50, 60))
    expected = (2 / (9 * 50 + 9 * 60)) ** 0.5
    assert kernel.std() == pytest.approx(expected, rel=0.02)
    kernel = _draw("orthogonal", (3, 3, 5, 20))
    flat = kernel.reshape(-1, 20)
    np.testing.assert_allclose(flat.T @ flat, np.eye(20), atol=1e-5)
