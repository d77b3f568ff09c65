"""What trains the network of a genotype: built for it, or one for all.

One graph that interprets any genotype is traced once per process. A network
that is built is traced for each genotype, once for all the evaluators that
come one after the other.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from gtn_tf.learners.functional import Learner, from_keras
from gtn_tf.meta.inner_optimizers import INNER_OPTIMIZERS
from gtn_tf.nas.task import Setting, Task
from gtn_tf.nas.training import Trainer
from gtn_tf.ops.seeds import root_seed
from gtn_tf.runtime.graph_memory import TracedGraphs
from gtn_tf.runtime.graph_rewriting import not_rewritten
from gtn_tf.search_spaces.cells.encoded_genotype import (
    EncodedGenotype,
    draw_genotype,
    encode,
)
from gtn_tf.search_spaces.cells.interpreter import CellInterpreter
from gtn_tf.search_spaces.cells.network import FORMS, build_cell_network
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.types import LearnerState

# Networks and their graphs are large: those of one genotype are kept.
_TRAINERS: dict[tuple[Setting, str, str, str], Trainer] = {}
_GRAPHS: dict[tuple[Setting, str], TracedGraphs] = {}


def graphs_of(task: Task) -> contextlib.AbstractContextManager[None]:
    """What trains the task's genotype is traced and runs within."""
    return not_rewritten() if task.is_interpreted else building(task)


@contextlib.contextmanager
def building(task: Task) -> Iterator[None]:
    """What is built within goes when another genotype's turn has come."""
    key = task.setting, task.genotype.to_text()
    if key not in _GRAPHS:
        _TRAINERS.clear()
        for graphs in _GRAPHS.values():
            graphs.release()
        _GRAPHS.clear()
        _GRAPHS[key] = TracedGraphs()
    with _GRAPHS[key].collected():
        yield


def trainer_of(task: Task, optimizer: str) -> Trainer:
    """Returns what trains the task's genotype; kept for the next job.

    Call it, and use what it returns, within `graphs_of`.
    """
    if task.is_interpreted:
        return _interpreting_trainer(task.setting, optimizer)
    key = (task.setting, task.genotype.to_text(), task.form, optimizer)
    if key not in _TRAINERS:
        _TRAINERS[key] = Trainer(
            lambda: from_keras(
                functools.partial(build_network, task), second_order=False
            ),
            INNER_OPTIMIZERS[optimizer],
            task.setting.validation,
        )
    return _TRAINERS[key]


@functools.lru_cache(maxsize=2)
def _interpreting_trainer(setting: Setting, optimizer: str) -> Trainer:
    return Trainer(
        functools.partial(_build_interpreter, setting),
        INNER_OPTIMIZERS[optimizer],
        setting.validation,
    )


def _build_interpreter(setting: Setting) -> Learner:
    """Returns a learner whose `init` takes a seed and an encoded genotype."""
    config, dataset = setting.config, setting.dataset
    interpreter = CellInterpreter(
        _space(setting),
        config.search.num_cells,
        config.search.channels,
        dataset.image_shape,
        dataset.num_classes,
        dataclasses.replace(FORMS["search"], dtype=config.precision),
    )

    @tf.function(autograph=False)
    def init(seed: tf.Tensor, genotype: EncodedGenotype) -> tuple:
        return interpreter.init_genotype(genotype, seed)

    seed = root_seed(0)
    init(seed, draw_genotype(_space(setting), seed))  # traces, for all
    return Learner("cell", init, interpreter.apply)


def _space(setting: Setting) -> SearchSpace:
    search = setting.config.search
    return SearchSpace(search.num_nodes, tuple(search.ops))


def build_network(task: Task, **changes: Any) -> keras.Model:
    """Builds the network of the task's genotype, in its form.

    `changes` are attributes of the `LayerSpec`.
    """
    config, dataset = task.setting.config, task.setting.dataset
    spec = dataclasses.replace(
        FORMS[task.form], dtype=config.precision, **changes
    )
    return build_cell_network(
        task.genotype,
        config.search.num_cells,
        config.search.channels,
        dataset.image_shape,
        dataset.num_classes,
        spec,
    )


def initial_state(task: Task, trainer: Trainer) -> LearnerState:
    """Draws fresh weights for the task's genotype."""
    if not task.is_interpreted:
        return trainer.initial_state(task.seed)
    encoded = encode(task.genotype, _space(task.setting))
    return trainer.initial_state(task.seed, encoded)
