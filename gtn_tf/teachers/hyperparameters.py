"""The learner's rates: one learned value for every inner step.

They are trained without bounds: a rate as its logarithm, so that it stays
above 0, and Adam's momentum (beta_1), which must stay below 1 too, as its
logit.
"""

import dataclasses

import tensorflow as tf

NAMES = ("learning_rate", "momentum")
_SMALLEST = 1e-6  # lets a momentum of 0 start in log space

#: Free variable <-> value in use: (to free, from free).
_TRANSFORMS = {
    "log": (lambda v: tf.math.log(tf.maximum(v, _SMALLEST)), tf.exp),
    "logit": (
        lambda v: -tf.math.log(1.0 / tf.maximum(v, _SMALLEST) - 1.0),
        tf.sigmoid,
    ),
}


@dataclasses.dataclass(frozen=True)
class HyperparameterSpec:
    """Config keys `inner.*`: where the rates start, and whether they move."""

    optimizer: str
    learning_rate: float
    momentum: float
    learn_hyperparameters: bool

    def initial(self, num_steps: int, dtype: str) -> dict[str, tf.Tensor]:
        """Returns the free variables' first values [T], by variable name."""
        found = {}
        for name in NAMES:
            constant = tf.constant(getattr(self, name), dtype, [num_steps])
            found[f"inner_{name}"] = self._transform(name)[0](constant)
        return found

    def values(self, meta_params: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns {"learning_rate": [T], "momentum": [T]}, as used."""
        return {
            name: self._transform(name)[1](meta_params[f"inner_{name}"])
            for name in NAMES
        }

    def _transform(self, name: str) -> tuple:
        is_beta = self.optimizer == "adam" and name == "momentum"
        return _TRANSFORMS["logit" if is_beta else "log"]
