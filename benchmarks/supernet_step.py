r"""What a step of a supernet costs, against one path trained alone.

    python -m benchmarks.supernet_step

Steps on NAS-Bench-201 at C = 8, N = 1, 16x16 and B = 64, all of one cell: of
the supernet; of the cell as its own network, interpreted; and as Keras builds
it. All by turns in one process, so that other processes slow all; of many
rounds a low quantile of each, and the median of the ratios.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags

from configs import nb201_16_methods
from gtn_tf.learners.functional import Learner, from_keras
from gtn_tf.meta.inner_loop import inner_step
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.weight_training import open_source
from gtn_tf.ops.seeds import root_seed
from gtn_tf.search_spaces.nb201.genotypes import OPS
from gtn_tf.types import LearnerState, SyntheticData

_ROUNDS = flags.DEFINE_integer("rounds", 60, "Of one step each.", 2)

_CELL = (*OPS[1:], "nor_conv_3x3", "nor_conv_1x1")
_WARM = 3  # rounds, of which the first traces


def _stepper(learner: Learner, start: LearnerState) -> Callable:
    """Returns what takes a step of variables that begin with a state."""
    variables = tf.nest.map_structure(tf.Variable, start)

    @tf.function(autograph=False)
    def step(data: SyntheticData) -> None:
        state = tf.nest.map_structure(tf.convert_to_tensor, variables)
        after = inner_step(learner, SGD, state, data)
        tf.nest.map_structure(lambda v, new: v.assign(new), variables, after)

    return step


def main(argv: list[str]) -> None:
    """Prints all three and their ratios."""
    del argv
    config = nb201_16_methods.get_config()
    config.search.truth = "params"
    spec = search_spec(config)
    session = Session(spec, spec.make_space())
    network = session.network("search")
    supernet, _ = open_source("supernet", session, Path("no training"))
    shared = session.space.shared_weights(network)
    path = supernet.path(shared.encode(_CELL))
    alone = Learner("alone", shared.init, shared.apply)
    built = from_keras(
        lambda: session.space.build(_CELL, network), second_order=False
    )
    params, statistics = built.init(root_seed(0))
    slots = [tf.zeros_like(value) for value in params]
    images, labels = session.training_images(np.arange(64))
    rates = {"learning_rate": tf.constant(0.1), "momentum": tf.constant(0.9)}
    data = SyntheticData(images, labels, rates)
    forms = {
        "supernet": lambda data: supernet.train(_CELL, data),
        "interpreted": _stepper(alone, path),
        "built": _stepper(built, LearnerState(params, statistics, slots)),
    }
    spent: dict[str, list[float]] = {name: [] for name in forms}
    names = list(forms)
    for number in range(_ROUNDS.value + _WARM):
        for name in names if number % 2 else names[::-1]:
            began = time.perf_counter()
            forms[name](data)
            if number >= _WARM:
                spent[name].append(time.perf_counter() - began)
    for name, seconds in spent.items():
        ratio = np.median(np.divide(spent["supernet"], seconds))
        print(
            f"{name}: {1e3 * np.quantile(seconds, 0.1):.1f} ms; supernet over "
            f"it {ratio:.2f}"
        )


if __name__ == "__main__":
    app.run(main)
