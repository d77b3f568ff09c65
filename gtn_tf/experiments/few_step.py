"""How much faster GTN data teach than real data (Figs. 2b and 3a).

All sources of `evaluate` at equal inner steps; then real data with twice, four
times, .. as many steps, the constant rates and the way to draw batches tuned
for each number of steps, until fresh learners reach the GTN's accuracy, in
97.5 % of the draws of learners. Its interval is over these draws.

Departure: the paper reads the speed-up off one curve of training accuracy;
here each number of steps has rates of its own, and test data decide.
"""

import math
from pathlib import Path

import numpy as np
from ml_collections import config_dict

from gtn_tf import comparison
from gtn_tf.assembly import load_dataset
from gtn_tf.experiments.real_budgets import tuned_real
from gtn_tf.fresh_learners import FinalTest
from gtn_tf.interrupts import Stopped
from gtn_tf.intervals import mean_interval
from gtn_tf.json_files import read_json
from gtn_tf.progress import say
from gtn_tf.real_batches import device_split
from gtn_tf.sources import build_setting

_MOST_DOUBLINGS = 6
_NUM_DRAWS = 1000


def few_step(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns the GTN's accuracy, and real data's by number of steps.

    Raises:
      InputError: no GTN in the workdir.
      Stopped: by a signal.
    """
    workdir = folder.parent.parent
    code = comparison.evaluate(config, workdir)
    if code:
        raise Stopped(code)
    evaluation = read_json(workdir / "evaluation.json")
    own = evaluation["sources"][config.source]
    dataset = load_dataset(config, with_test=True)
    setting = build_setting(config, workdir, dataset)
    real_test = device_split(dataset, "test")
    test = FinalTest(config.seed, setting.problem, [real_test])
    num_steps = config.inner.num_steps
    real = []
    for doubling in range(_MOST_DOUBLINGS + 1):
        steps = num_steps * 2**doubling
        source = tuned_real(setting, steps, config.inner.batch_size)
        (accuracies,) = test.accuracies(source, config.evaluation.num_learners)
        interval = mean_interval(accuracies)
        say(f"real data, {steps} steps: test accuracy {interval.mean:.4f}")
        real.append(
            {
                "num_steps": steps,
                "accuracy": interval.mean,
                "ci95": interval.ci95,
                "accuracies": accuracies,
                "num_learners": len(accuracies),
                "how": source.how,
            }
        )
        steps_ci95 = bootstrap_steps(own["accuracies"], real, config.seed)
        if steps_ci95[1] is not None:
            break
    steps_needed = steps_to_reach(own["accuracy"], real)
    return {
        "source": config.source,
        "num_steps": num_steps,
        "accuracy": own["accuracy"],
        "ci95": own["ci95"],
        "real": real,
        "real_steps_needed": steps_needed,
        "real_steps_needed_ci95": steps_ci95,
        "speed_up": steps_needed and steps_needed / num_steps,
        "speed_up_ci95": [s and s / num_steps for s in steps_ci95],
        "evaluation": evaluation,
    }


def steps_to_reach(accuracy: float, real: list[dict]) -> float | None:
    """Interpolates in log steps after the last number that does not suffice.

    None where that is the largest. Where all suffice, the first is the answer:
    less was not tried.
    """
    short = [row["accuracy"] < accuracy for row in real]
    if not any(short):
        return float(real[0]["num_steps"])
    last = max(place for place, is_short in enumerate(short) if is_short)
    if last + 1 == len(real):
        return None
    before, after = real[last : last + 2]
    share = accuracy - before["accuracy"]
    share /= after["accuracy"] - before["accuracy"]
    low, high = (math.log(row["num_steps"]) for row in (before, after))
    return math.exp(low + share * (high - low))


def bootstrap_steps(
    own: list[float], real: list[dict], seed: int
) -> list[float | None]:
    """Returns the 95 % percentile interval of `steps_to_reach`.

    Learner i has the same initial weights in every row, hence one draw of
    learners for all rows. None: beyond the largest number of steps.

    Args:
      own: accuracies of the learners trained on the GTN's data.
      real: rows with `num_steps` and `accuracies` of the same learners.
      seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_NUM_DRAWS):
        drawn = rng.integers(len(own), size=len(own))
        rows = [
            {
                "num_steps": row["num_steps"],
                "accuracy": float(np.mean(np.take(row["accuracies"], drawn))),
            }
            for row in real
        ]
        steps = steps_to_reach(float(np.mean(np.take(own, drawn))), rows)
        found.append(math.inf if steps is None else steps)
    bounds = np.percentile(found, (2.5, 97.5), method="inverted_cdf")
    return [float(b) if math.isfinite(b) else None for b in bounds]
