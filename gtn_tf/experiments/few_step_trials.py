"""A trial of `few_step`: accuracies on the GTN's data and on real ones."""

from typing import Any

import numpy as np
from ml_collections import config_dict

from gtn_tf.datasets.batches import device_split
from gtn_tf.datasets.loading import Dataset
from gtn_tf.evaluation.assembly import build_setting
from gtn_tf.evaluation.fresh_learners import FinalTest, FreshLearners
from gtn_tf.evaluation.sources import source_of_run
from gtn_tf.experiments.extended_data import tuned_real
from gtn_tf.experiments.few_step import bootstrap_steps
from gtn_tf.runtime.interrupts import stoppable
from gtn_tf.runtime.progress import say
from gtn_tf.training.run import Run

_MOST_DOUBLINGS = 6


def measure(
    config: config_dict.ConfigDict, run: Run, dataset: Dataset
) -> dict[str, Any]:
    """Tests fresh learners on the GTN's data, then on more and more real."""
    setting = build_setting(config, run.workdir, dataset)
    real_test = device_split(dataset, "test")
    own = source_of_run(setting.source, run)
    learners = FreshLearners(setting, setting.problem, real_test)
    number, seed = setting.num_learners, setting.seed
    per_step = []
    with stoppable() as check_signals:
        for index in range(number):
            check_signals()
            per_step.append(learners.test_every_step(own, index))
    final = [accuracies[-1] for accuracies in per_step]
    test = FinalTest(seed, setting.problem, [real_test])
    real = []
    fewest, batch_size = setting.sequence_shape
    for doubling in range(_MOST_DOUBLINGS + 1):
        num_steps = fewest * 2**doubling
        source = tuned_real(setting, num_steps, batch_size)
        (accuracies,) = test.accuracies(source, number)
        say(
            f"real data, {num_steps} steps: test accuracy "
            f"{np.mean(accuracies):.4f}; the GTN's: {np.mean(final):.4f}"
        )
        real.append(
            {
                "num_steps": num_steps,
                "accuracies": accuracies,
                "how": source.how,
            }
        )
        if bootstrap_steps(final, real, seed)[1] is not None:
            break
    return {"accuracies_per_step": per_step, "real": real}
