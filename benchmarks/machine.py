"""The machine that is measured on: what it is, and what it can do at most."""

import functools
import os
import platform
from importlib import metadata

import numpy as np

from gtn_tf.runtime.provenance import commit, cpu_name

#: Of `matrix_product`.
PEAK_FLOPS = 2 * 1024**3


@functools.cache
def _square_matrix() -> object:
    import tensorflow as tf

    return tf.constant(
        np.random.default_rng(0).random((1024, 1024), np.float32)
    )


def matrix_product() -> object:
    """Multiplies two square matrices: what a machine can do at most."""
    import tensorflow as tf

    return tf.matmul(_square_matrix(), _square_matrix())


def environment(num_cores: int | None = None) -> dict[str, object]:
    """Returns versions and hardware; `num_cores`: those used, if not all."""
    packages = (
        "tensorflow-cpu",
        "tensorflow",
        "keras",
        "torch",
        "jax",
        "numpy",
    )
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "python": platform.python_version(),
        "commit": commit(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        "cpu": cpu_name(),
        "num_cores": num_cores or os.cpu_count(),
        "load_average": os.getloadavg(),
    }
