"""A trial of `more_data`: accuracies of learners and of ensembles by size."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from ml_collections import config_dict

from gtn_tf.datasets.batches import device_split
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.assembly import build_setting
from gtn_tf.evaluation.fresh_learners import FinalTest
from gtn_tf.evaluation.sources import Source
from gtn_tf.experiments.extended_data import (
    endless,
    repeated,
    sampled,
    tuned_real,
)
from gtn_tf.experiments.more_data import ENDLESS, SIZES
from gtn_tf.export.saved_model import ExportedGTN
from gtn_tf.meta.evaluation import fresh_learner_logits
from gtn_tf.ops.seeds import Purpose, fold, root_seed
from gtn_tf.runtime.interrupts import stoppable
from gtn_tf.runtime.progress import say
from gtn_tf.training.run import Run
from gtn_tf.types import SyntheticData

ENSEMBLES = (1, 2, 4, 8, 16)


def measure(
    config: config_dict.ConfigDict, run: Run, dataset: Dataset
) -> dict[str, Any]:
    """Tests fresh learners, and ensembles, on one GTN's data and on real."""
    setting = build_setting(config, run.workdir, dataset)
    real_test = device_split(dataset, "test")
    root = fold(root_seed(setting.seed), Purpose.EVALUATION)
    gtn = ExportedGTN(run.teacher, run.teacher.read(), fold(root, 0))
    shape = setting.sequence_shape
    is_endless = config.curriculum.name == "none"

    def sources_of(num_steps: int, batch_size: int) -> list[Source]:
        if is_endless:
            made = endless(run.teacher, num_steps, batch_size)
            return [Source(ENDLESS, made, 0.0, "")]
        longer = sampled(gtn, num_steps, batch_size)
        found = [
            tuned_real(setting, num_steps, batch_size),
            Source("sample", longer, 0.0, ""),
        ]
        if batch_size == shape[1]:
            again = repeated(gtn, num_steps)
            found.append(Source("repeat", again, 0.0, ""))
        return found

    test = FinalTest(setting.seed, setting.problem, [real_test])
    sizes = []
    for times_steps, times_batch in SIZES:
        num_steps, batch_size = shape[0] * times_steps, shape[1] * times_batch
        for source in sources_of(num_steps, batch_size):
            (found,) = test.accuracies(source, setting.num_learners)
            say(
                f"{source.name}, {num_steps} steps of {batch_size}: test "
                f"accuracy {np.mean(found):.4f}"
            )
            sizes.append(
                {
                    "source": source.name,
                    "num_steps": num_steps,
                    "batch_size": batch_size,
                    "accuracies": found,
                    "how": source.how,
                }
            )

    @tf.function(autograph=False)
    def logits_of(data: SyntheticData, seed: tf.Tensor) -> tf.Tensor:
        return fresh_learner_logits(setting.problem, data, real_test, seed)

    # At this size `sample` is `repeat`.
    of_ensembles = [s for s in sources_of(*shape) if s.name != "sample"]
    if not is_endless:
        all_sampled = sampled(gtn, *shape, num_kept=0)
        of_ensembles.append(Source("all_sampled", all_sampled, 0.0, ""))
    label_ids = dataset.test.label_ids
    return {
        "sizes": sizes,
        "ensembles": {
            source.name: _ensembles(source, logits_of, root, label_ids)
            for source in of_ensembles
        },
    }


def _ensembles(
    source: Source,
    logits_of: Callable[..., tf.Tensor],
    root: tf.Tensor,
    label_ids: np.ndarray,
) -> list[dict]:
    """Returns the test accuracies of ensembles by number of learners."""
    probabilities = []
    with stoppable() as check_signals:
        for index in range(max(ENSEMBLES)):
            check_signals()
            seed = fold(root, index)
            logits = tf.cast(
                logits_of(source.synthesize(seed), seed), "float32"
            )
            probabilities.append(tf.nn.softmax(logits).numpy())
    stacked = np.stack(probabilities)
    return [
        {
            "num_learners": size,
            "accuracies": ensemble_accuracies(stacked, size, label_ids),
        }
        for size in ENSEMBLES
    ]


def ensemble_accuracies(
    probabilities: np.ndarray, size: int, label_ids: np.ndarray
) -> list[float]:
    """Returns the accuracies of ensembles of `size` learners, without overlap.

    Args:
      probabilities: [L, N, K], of L learners.
      size: divides L.
      label_ids: [N].
    """
    grouped = probabilities.reshape(-1, size, *probabilities.shape[1:])
    predicted = np.argmax(grouped.mean(1), -1)
    return np.mean(predicted == label_ids, axis=-1).tolist()
