"""What a GTN gives beyond the data that it was meta-trained with.

Longer and larger batches, and ensembles of learners, for three sources:

* `repeat`: the curriculum over again, with its learned rates;
* `sample`: the curriculum first, then batches that the generator has never
  been trained to make (`sample` of the export), with the rates of the last
  position; likewise what a batch has beyond its B examples. A learned
  curriculum's noise is all that its generator knows: `sample` draws from these
  T x B vectors. Data without an end need `curriculum.name=none`;
* `real`: as many real images, constant rates tuned for just these sizes.

GTN data come with the rates they were meta-trained with, or the last of them;
only real data are tuned for every size.

An ensemble averages the class probabilities of its learners; ensembles of one
size share none, and fewer than four of them have no interval. Theirs also come
from `all_sampled`: no batch is the curriculum's, each learner has its own.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.assembly import load_dataset
from gtn_tf.curricula import balanced_label_ids
from gtn_tf.evaluation import fresh_learner_logits
from gtn_tf.experiments.real_budgets import tuned_real
from gtn_tf.exported_gtn import ExportedGTN
from gtn_tf.fresh_learners import FinalTest
from gtn_tf.gtn import SyntheticData
from gtn_tf.interrupts import stoppable
from gtn_tf.intervals import mean_interval
from gtn_tf.progress import say
from gtn_tf.real_batches import device_split
from gtn_tf.seeds import Purpose, fold, root_seed
from gtn_tf.sources import Source, build_setting
from gtn_tf.training_run import restore_run
from gtn_tf.types import InputError

#: Times the steps, times the batch.
SIZES = ((1, 1), (2, 1), (4, 1), (1, 2), (1, 4), (2, 2))
ENSEMBLES = (1, 2, 4, 8, 16)
_FEWEST_ENSEMBLES = 4  # of which an interval says something


def more_data(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns test accuracy by source and size, and of ensembles.

    Raises:
      InputError: no GTN in the workdir, or one without a generator.
    """
    if config.source != "gtn":
        raise InputError(
            f"experiment 'more_data' with source {config.source!r}; expected "
            "'gtn', as only a generator makes more data; set "
            "--config.source=gtn"
        )
    workdir = folder.parent.parent
    run = restore_run(config, workdir)
    dataset = load_dataset(config, with_test=True)
    setting = build_setting(config, workdir, dataset)
    real_test = device_split(dataset, "test")
    root = fold(root_seed(config.seed), Purpose.EVALUATION)
    gtn = ExportedGTN(run.gtn, run.gtn.read(), fold(root, 0))
    shape = (config.inner.num_steps, config.inner.batch_size)

    def sources_of(num_steps: int, batch_size: int) -> list[Source]:
        found = [
            Source("sample", _sampled(gtn, num_steps, batch_size), 0.0, ""),
        ]
        if batch_size == shape[1]:
            repeated = Source("repeat", _repeated(gtn, num_steps), 0.0, "")
            found.insert(0, repeated)
        return [tuned_real(setting, num_steps, batch_size), *found]

    test = FinalTest(config.seed, setting.problem, [real_test])
    number = config.evaluation.num_learners
    rows = []
    for times_steps, times_batch in SIZES:
        sizes = (shape[0] * times_steps, shape[1] * times_batch)
        real, *others = sources_of(*sizes)
        (of_real,) = test.accuracies(real, number)
        rows.append(_row(real, *sizes, of_real))
        for source in others:
            (found,) = test.accuracies(source, number)
            gap = mean_interval(np.subtract(found, of_real))
            minus_real = {"mean": gap.mean, "ci95": gap.ci95}
            rows.append(
                _row(source, *sizes, found) | {"minus_real": minus_real}
            )

    @tf.function(autograph=False)
    def logits_of(data: SyntheticData, seed: tf.Tensor) -> tf.Tensor:
        return fresh_learner_logits(setting.problem, data, real_test, seed)

    label_ids = dataset.test.label_ids
    of_ensembles = [
        tuned_real(setting, *shape),
        Source("repeat", _repeated(gtn, shape[0]), 0.0, ""),
        Source("all_sampled", _sampled(gtn, *shape, num_kept=0), 0.0, ""),
    ]
    return {
        "num_steps": shape[0],
        "batch_size": shape[1],
        "sizes": rows,
        "ensembles": {
            source.name: _ensembles(source, logits_of, root, label_ids)
            for source in of_ensembles
        },
    }


def _row(
    source: Source, num_steps: int, batch_size: int, accuracies: list[float]
) -> dict:
    interval = mean_interval(accuracies)
    say(
        f"{source.name}, {num_steps} steps of {batch_size}: test accuracy "
        f"{interval.mean:.4f}"
    )
    return {
        "source": source.name,
        "num_steps": num_steps,
        "batch_size": batch_size,
        "accuracy": interval.mean,
        "ci95": interval.ci95,
        "accuracies": accuracies,
        "num_learners": len(accuracies),
        "how": source.how,
    }


def _repeated(
    gtn: ExportedGTN, num_steps: int
) -> Callable[[tf.Tensor], SyntheticData]:
    """The curriculum over again, the same for every learner."""
    arrays = {name: tf.convert_to_tensor(a) for name, a in gtn.arrays.items()}
    order = tf.range(num_steps) % arrays["images"].shape[0]
    data = _synthetic(*(tf.gather(a, order) for a in arrays.values()))
    return lambda seed: data


def _sampled(
    gtn: ExportedGTN,
    num_steps: int,
    batch_size: int,
    num_kept: int | None = None,
) -> Callable[[tf.Tensor], SyntheticData]:
    """The first `num_kept` steps of the curriculum (None: all), then samples.

    The samples are the learner's own; they fill up larger batches too.
    """
    arrays = [tf.convert_to_tensor(a) for a in gtn.arrays.values()]
    images, labels = (values[:num_kept] for values in arrays[:2])
    known_steps, known_batch = images.shape[:2]
    label_ids = balanced_label_ids(num_steps, batch_size, labels.shape[-1])

    def synthesize(seed: tf.Tensor) -> SyntheticData:
        made = gtn.endpoints["sample"](
            tf.reshape(label_ids, [-1]), fold(seed, Purpose.CURRICULUM)
        )
        filled = []
        for name, known in (("images", images), ("labels", labels)):
            values = tf.reshape(
                made[name], (num_steps, batch_size, *known.shape[2:])
            )
            beside = tf.concat([known, values[:known_steps, known_batch:]], 1)
            filled.append(tf.concat([beside, values[known_steps:]], 0))
        rates = [
            tf.gather(rate, tf.minimum(tf.range(num_steps), len(rate) - 1))
            for rate in arrays[2:]
        ]
        return _synthetic(*filled, *rates)

    return synthesize


def _synthetic(
    images: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor, momentum: tf.Tensor
) -> SyntheticData:
    hyperparameters = {"learning_rate": rate, "momentum": momentum}
    return SyntheticData(images, labels, hyperparameters)


def _ensembles(
    source: Source,
    logits_of: Callable[..., tf.Tensor],
    root: tf.Tensor,
    label_ids: np.ndarray,
) -> list[dict]:
    """Returns test accuracy by number of learners."""
    probabilities = []
    with stoppable() as check_signals:
        for index in range(max(ENSEMBLES)):
            check_signals()
            seed = fold(root, index)
            logits = tf.cast(
                logits_of(source.synthesize(seed), seed), "float32"
            )
            probabilities.append(tf.nn.softmax(logits).numpy())
    return [
        ensemble_accuracy(np.stack(probabilities), size, label_ids)
        for size in ENSEMBLES
    ]


def ensemble_accuracy(
    probabilities: np.ndarray, size: int, label_ids: np.ndarray
) -> dict:
    """Returns the accuracy of ensembles of `size` learners, without overlap.

    Args:
      probabilities: [L, N, K], of L learners.
      size: divides L.
      label_ids: [N].
    """
    grouped = probabilities.reshape(-1, size, *probabilities.shape[1:])
    predicted = np.argmax(grouped.mean(1), -1)
    interval = mean_interval(np.mean(predicted == label_ids, axis=-1))
    return {
        "num_learners": size,
        "num_ensembles": len(grouped),
        "accuracy": interval.mean,
        "ci95": interval.ci95 if len(grouped) >= _FEWEST_ENSEMBLES else None,
    }
