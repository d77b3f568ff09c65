"""Scores of an untrained network from one batch of real images.

* `naswot`: log-determinant of the kernel of binary activation codes (Mellor et
  al., arXiv 2006.04647v3).
* `jacob_cov`: correlation of the input Jacobians of the batch's images (the
  first version of the same paper).
* `synflow`: sum of |theta dR / dtheta| on an input of ones with all weights
  made positive (Tanaka et al., arXiv 2006.05467; as a score, Abdelfattah et
  al., arXiv 2101.08134).
* `grad_norm`: norm of the loss gradient, summed over kernels (the latter).

Higher is better for all of them. They take a built Keras model whose values
are drawn afresh; batch normalisation uses the batch, but for `synflow`, which
leaves it out.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.learners.functional import from_keras
from gtn_tf.meta.inner_loop import cross_entropy
from gtn_tf.nas.evaluators.evaluator import (
    Evaluation,
    Evaluator,
    Job,
    untrained,
)
from gtn_tf.nas.session import Session, keep
from gtn_tf.ops.seeds import Purpose, fold
from gtn_tf.types import Batch, InputError

_BATCH_SIZE = 64  # as they are published with
_GATES = (
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)
_GATE_ACTIVATIONS = ("elu", "selu", "celu", "silu", "gelu", "mish")
_JACOB_COV_SHIFT = 1e-5  # keeps the logarithm of a zero eigenvalue finite


def naswot(model: keras.Model, real: Batch) -> float:
    """Returns log |det K|, K_ij = number of units alike on images i and j.

    Raises:
      InputError: the model has no ReLU layers to read codes from.
    """
    outputs = [layer.output for layer in model.layers if _is_gate(layer)]
    if not outputs:
        raise InputError(
            f"model '{model.name}' has no ReLU layer; expected ReLU, ELU, "
            "LeakyReLU, PReLU or such an activation, whose signs 'naswot' "
            "reads; leave 'naswot' out for this model"
        )
    codes_of = keras.Model(model.inputs, outputs)
    kernel = 0.0
    for output in tf.nest.flatten(codes_of(real.images, training=True)):
        code = tf.cast(tf.reshape(output, (len(output), -1)) > 0, tf.float64)
        off = 1.0 - code
        kernel += code @ tf.transpose(code) + off @ tf.transpose(off)
    return float(np.linalg.slogdet(kernel)[1])


def _is_gate(layer: keras.layers.Layer) -> bool:
    """Says if a layer is a ReLU, or one of its kin with a positive half.

    All of them keep the signs of what they are given.
    """
    if isinstance(layer, _GATES):
        return True
    name = getattr(getattr(layer, "activation", None), "__name__", "")
    return "relu" in name or name in _GATE_ACTIVATIONS


def jacob_cov(model: keras.Model, real: Batch) -> float:
    """Returns -sum(log v + 1 / v) of the correlation's eigenvalues v."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(real.images)
        logits = model(real.images, training=True)
    jacobian = tape.gradient(logits, real.images).numpy()
    jacobian = jacobian.reshape(len(jacobian), -1).astype(np.float64)
    if not jacobian.std(axis=1).all():
        return float(
            "-inf"
        )  # an image that moves nothing: it has no correlation
    values = np.linalg.eigvalsh(np.corrcoef(jacobian)) + _JACOB_COV_SHIFT
    return float(-np.sum(np.log(values) + 1.0 / values))


def synflow(model: keras.Model, real: Batch) -> float:
    """Returns the log of the sum over kernels of |theta dR / dtheta|.

    R is the sum of the logits. Its logarithm ranks alike and stays readable:
    R grows exponentially with depth, beyond float32 (hence float64).
    """
    wide = _in_float64(model)
    for variable, value in zip(wide.variables, model.variables, strict=True):
        variable.assign(tf.cast(value, variable.dtype))
    kernels = _kernels(wide)
    for variable in wide.trainable_variables:
        variable.assign(tf.abs(variable))
    ones = tf.ones((1, *real.images.shape[1:]), tf.float64)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(wide(ones, training=False))
    gradients = tape.gradient(total, [kernel.value for kernel in kernels])
    flow = sum(
        float(tf.reduce_sum(tf.abs(kernel * gradient)))
        for kernel, gradient in zip(kernels, gradients, strict=True)
        if gradient is not None
    )
    with np.errstate(divide="ignore"):  # of what no path reaches
        return float(np.log(flow))


def _in_float64(model: keras.Model) -> keras.Model:
    def convert(value: object) -> object:
        if isinstance(value, dict):
            return {name: convert(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(convert, value))
        is_type = value in ("float32", "mixed_bfloat16")
        return "float64" if is_type else value

    return type(model).from_config(convert(model.get_config()))


def grad_norm(model: keras.Model, real: Batch) -> float:
    """Returns the sum over kernels of the norm of the loss' gradient."""
    kernels = _kernels(model)
    with tf.GradientTape() as tape:
        logits = model(real.images, training=True)
        total = cross_entropy(logits, tf.cast(real.labels, logits.dtype))
    gradients = tape.gradient(total, [kernel.value for kernel in kernels])
    return sum(float(tf.norm(g)) for g in gradients if g is not None)


def _kernels(model: keras.Model) -> list[keras.Variable]:
    return [v for v in model.trainable_variables if "kernel" in v.name]


#: Evaluator name -> score of (model, real batch).
PROXIES: dict[str, Callable[[keras.Model, Batch], float]] = {
    "naswot": naswot,
    "synflow": synflow,
    "grad_norm": grad_norm,
    "jacob_cov": jacob_cov,
}


class ZeroCost(Evaluator):
    """`naswot`, `synflow`, `grad_norm`, `jacob_cov`: of fresh weights."""

    @property
    def form(self) -> str:
        """Plain, as they are published for plain weights."""
        return "training" if self.is_truth else "plain"

    @property
    def _has_truths_seed(self) -> bool:
        """Whether a job's seed is that of the truth's."""
        return not (self.has_common_seed or self.is_truth)

    def own_budget(self) -> dict[str, Any]:
        """See `Evaluator`."""
        # So scores of the truth's values, kept before, are computed anew.
        apart = {"values": "not the truth's"} if self._has_truths_seed else {}
        return {"weight_norm": False} | apart

    def evaluate(self, job: Job, session: Session) -> Evaluation:
        """See `Evaluator`."""
        if self._has_truths_seed:
            # Of the weights that the truth trains a score would look like it.
            job = job._replace(seed=fold(job.seed, Purpose.SEARCH))
        with session.building(job.text) as kept:
            fresh = keep(
                kept,
                ("untrained", self.form, tuple(job.seed.numpy())),
                lambda: self._build(job, session),
            )
            assign_values(fresh.model, fresh.values)
            built = time.perf_counter()
            num_images = len(session.data.dataset.train.images)
            chosen = different_images(num_images, job.seed)
            real = session.training_images(chosen)
            score = PROXIES[self.name.kind](fresh.model, real)
            return untrained(score, built, build=fresh.build_seconds)

    def _build(self, job: Job, session: Session) -> "_Fresh":
        """Builds the network that all scores of an architecture are of."""
        began = time.perf_counter()
        network = session.network(self.form)
        model = session.space.build(job.architecture, network)
        values = fresh_values(model, job.seed)
        return _Fresh(model, values, time.perf_counter() - began)


class _Fresh(NamedTuple):
    """A model, fresh values of its variables, and the seconds of both.

    Those count for each score, as it would need them alone.
    """

    model: keras.Model
    values: list[tf.Tensor]
    build_seconds: float


def fresh_values(model: keras.Model, seed: tf.Tensor) -> list[tf.Tensor]:
    """Returns those of a seed [2], in the order of the model's variables."""
    learner = from_keras(lambda: model, second_order=False)
    params, statistics = learner.init(seed)
    variables = (*model.trainable_variables, *model.non_trainable_variables)
    values = dict(zip(map(id, variables), (*params, *statistics), strict=True))
    return [values[id(variable)] for variable in model.variables]


def assign_values(model: keras.Model, values: list[tf.Tensor]) -> None:
    """Assigns what `fresh_values` returned."""
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)


def different_images(num_images: int, seed: tf.Tensor) -> np.ndarray:
    """Returns positions of a batch [64], or of all images if there are fewer.

    Without replacement: an image twice would make naswot -inf.
    """
    words = fold(seed, Purpose.REAL_BATCH, 0).numpy()
    rng = np.random.default_rng([int(word) & 0xFFFFFFFF for word in words])
    return rng.permutation(num_images)[:_BATCH_SIZE]
