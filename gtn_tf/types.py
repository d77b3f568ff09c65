"""Records and errors shared by every module; imports no TensorFlow.

Shapes are written with fixed letters everywhere in the project: B batch,
T inner steps, Z noise, K classes, H W C image height, width, channels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import tensorflow as tf


class InputError(ValueError):
    """Bad input of any kind: flags, configs, data, files.

    The message is one line: `<received>; <expected>; <remedy>`. `main` prints
    it after `error: ` and exits with code 2.
    """


class InUseError(InputError):
    """Another process works in the folder that was named."""


class DivergenceError(RuntimeError):
    """The meta-loss or its gradient is not finite: `main` exits with code 1."""


class LostWorkerError(RuntimeError):
    """Another worker process is gone: `main` exits with code 1."""


#: What a person's code may raise: anything, and a module that reads sys.argv
#: or calls its main ends in SystemExit.
PERSONS_ERRORS = (Exception, SystemExit)


def one_line(error: BaseException) -> str:
    """Returns an error's message as one line, to print or to quote.

    Another library's is cut at 300 characters and loses TensorFlow's node
    names and its semicolons, which part the three clauses of ours.
    """
    text = str(error)
    if isinstance(error, InputError | DivergenceError | LostWorkerError):
        return " ".join(text.split())
    text = re.sub(r"\x1b\[[\d;]*m", "", text)  # Keras prints in bold
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", text, flags=re.DOTALL)
    text = " ".join(text.replace(";", ",").split())
    return text[:300] or type(error).__name__


class Batch(NamedTuple):
    """Images with soft or one-hot labels.

    Attributes:
      images: [B, H, W, C] float, in normalised units.
      labels: [B, K] float, rows sum to 1.
    """

    images: tf.Tensor
    labels: tf.Tensor


class SyntheticData(NamedTuple):
    """What a learner trains on, in the order of its inner steps.

    Attributes:
      images: [T, B, H, W, C] in normalised units.
      labels: [T, B, K].
      hyperparameters: {"learning_rate": [T], "momentum": [T]}.
    """

    images: tf.Tensor
    labels: tf.Tensor
    hyperparameters: dict[str, tf.Tensor]


class LearnerState(NamedTuple):
    """All that one inner step changes, and so all that is differentiated.

    Attributes:
      params: the learner's trainable tensors.
      statistics: its other tensors: batch-norm statistics (the last batch's,
        as momentum is 0), width masks, dropout seeds.
      slots: the inner optimizer's tensors.
    """

    params: list[tf.Tensor]
    statistics: list[tf.Tensor]
    slots: list[tf.Tensor]
