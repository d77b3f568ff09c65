"""What ordinary networks score: after a few steps, and before the first."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.datasets.batches import training_images
from gtn_tf.evaluation.constant_rates import (
    DrawBatches,
    draw_balanced,
    draw_subset,
)
from gtn_tf.evaluation.sources import Setting, Source
from gtn_tf.experiments.any_ranking import PARAMS, READOUTS
from gtn_tf.learners.functional import Learner
from gtn_tf.meta.inner_optimizers import InnerOptimizer, normalized
from gtn_tf.nas.evaluators.real import cosine
from gtn_tf.nas.evaluators.zero_cost import (
    PROXIES,
    assign_values,
    different_images,
    fresh_values,
)
from gtn_tf.nas.rate_rules import DEFAULT, parse_rule
from gtn_tf.nas.training import Trainer
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.types import DivergenceError, SyntheticData

_REAL_MOMENTUM = 0.5
#: Of normalised updates on real images, each by a cosine: lengths of a step
#: around those that are best for the 14 networks of `any_network`.
_NORMALIZED_RATES = (0.1, 0.25, 0.5, 1.0)

#: What the scores depend on, beside the config.
RULES = {"gtn": list(DEFAULT), "normalized": list(_NORMALIZED_RATES)}

Rates = dict[str, tf.Tensor]
#: A learner's seed [2] -> its batches, one a step.
Batches = Callable[[tf.Tensor], Iterable[SyntheticData]]


class Rule(NamedTuple):
    """One way to train on a source: kind of optimizer, and the batches."""

    kind: str
    batches: Batches


def rules_by_source(setting: Setting, data: Source) -> dict[str, list[Rule]]:
    """Returns the rules by which a network trains, by source of data."""
    rules = {
        "gtn": [
            Rule(kind, lambda seed, x=factor: _scaled(data, x, seed))
            for kind, factor in map(parse_rule, DEFAULT)
        ]
    }
    kinds = {
        "": ("learned", setting.tuning.learning_rates),
        "_normalized": ("normalized", _NORMALIZED_RATES),
    }
    for name, draw in (
        ("real", draw_balanced(setting)),
        ("real_subset", draw_subset(setting)),
    ):
        for ending, (kind, rates) in kinds.items():
            rules[f"{name}{ending}"] = [
                Rule(kind, lambda seed, d=draw, x=rate: _real(d, x, seed))
                for rate in rates
            ]
    return rules


def _scaled(
    data: Source, factor: float, seed: tf.Tensor
) -> Iterator[SyntheticData]:
    images, labels, rates = data.synthesize(seed)
    for step in range(images.shape[0]):
        own = {name: value[step] for name, value in rates.items()}
        own["learning_rate"] *= factor
        yield SyntheticData(images[step], labels[step], own)


def _real(
    draw: DrawBatches, rate: float, seed: tf.Tensor
) -> Iterator[SyntheticData]:
    images, labels = draw(seed)
    num_steps = images.shape[0]
    for step in range(num_steps):
        own = step_rates(rate * cosine(step / num_steps), _REAL_MOMENTUM)
        yield SyntheticData(images[step], labels[step], own)


def step_rates(rate: float, momentum: float) -> Rates:
    """Returns those of one step."""
    return {
        "learning_rate": tf.constant(rate, tf.float32),
        "momentum": tf.constant(momentum, tf.float32),
    }


def few_step_scores(
    learner: Learner,
    optimizer: InnerOptimizer,
    setting: Setting,
    sources: dict[str, list[Rule]],
) -> dict[str, Any]:
    """Returns a network's scores by source and readout, and their seconds."""
    first = Trainer(lambda: learner, optimizer, setting.validation)
    trainers = dict(
        zip(
            ("learned", "normalized"),
            first.sharing_traces([optimizer, normalized(optimizer)]),
            strict=True,
        )
    )
    found: dict[str, Any] = {"scores": {}, "seconds": {}}
    seeds = _seeds(setting)
    for rule in itertools.chain(*sources.values()):
        _trace(trainers[rule.kind], rule.batches, seeds[0])
    for source, rules in sources.items():
        began = time.perf_counter()
        values = [
            [trained(trainers[rule.kind], rule.batches, s) for s in seeds]
            for rule in rules
        ]
        found["scores"][source] = {
            readout: best(values, readout) for readout in READOUTS
        }
        found["seconds"][source] = time.perf_counter() - began
    return found


def _seeds(setting: Setting) -> list[tf.Tensor]:
    initial = fold(root_seed(setting.seed), Purpose.EVALUATION)
    return [fold(initial, index) for index in range(setting.num_learners)]


def _trace(trainer: Trainer, batches: Batches, seed: tf.Tensor) -> None:
    """Traces what all sources share, which is then in no one's seconds."""
    state = trainer.initial_state(seed)
    trainer.trace(state, next(iter(batches(seed))))
    trainer.trace_readout(state, "accuracy", "last_batch", also_run=True)


def trained(
    trainer: Trainer, batches: Batches, seed: tf.Tensor
) -> dict[str, float] | None:
    """Returns what can be read of a fresh network; None if it diverged."""
    try:
        done = trainer.train(trainer.initial_state(seed), batches(seed))
    except DivergenceError:
        return None
    values = trainer.validate(done.state)
    return values if np.isfinite(values["log_likelihood"]) else None


def best(values: Sequence[Sequence[dict | None]], readout: str) -> float | None:
    """Returns the mean by the best rule, of those that never diverged."""
    means = [
        float(np.mean([value[readout] for value in of_rule]))
        for of_rule in values
        if None not in of_rule
    ]
    return max(means, default=None)


def free_scores(model: keras.Model, setting: Setting) -> dict[str, Any]:
    """Returns what needs no training, and the seconds of each.

    Zero-cost proxies are means over the initial values of `few_step_scores`,
    each asked about a batch of its own. Other values are assigned to the model.
    """
    num_params = sum(np.prod(v.shape) for v in model.trainable_variables)
    scores = {PARAMS: int(num_params)}
    seconds = {PARAMS: 0.0}
    seeds = _seeds(setting)
    dataset = setting.dataset
    num_images = len(dataset.train.images)
    asked = [
        (
            fresh_values(model, seed),
            training_images(dataset, different_images(num_images, seed)),
        )
        for seed in seeds
    ]
    for name, score in PROXIES.items():
        began, found = time.perf_counter(), []
        for values, real in asked:
            assign_values(model, values)
            found.append(score(model, real))
        mean = float(np.mean(found))
        scores[name] = mean if np.isfinite(mean) else None
        seconds[name] = time.perf_counter() - began
    return {"free": scores, "free_seconds": seconds}
