"""A person's own images and own learner, as a config names them."""

import numpy as np


def load() -> dict:
    rng = np.random.default_rng(0)
    train, test = (
        (rng.integers(0, 256, (n, 8, 12, 3), np.uint8), np.arange(n) % 3)
        for n in (60, 9)
    )
    names = ["circle", "square", "star"]
    return {"train": train, "test": test, "class_names": names}
