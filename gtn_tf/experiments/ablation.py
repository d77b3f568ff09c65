"""What a change of the config is worth: arms of your own, over GTN seeds.

Every arm is meta-trained from the same seeds as the config itself, `plain`,
and compared with it by the validation accuracy of the same fresh learners.
"""

import ast
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import config_dict

from gtn_tf.assembly import build_problem
from gtn_tf.config import FIELDS, unknown_key_error
from gtn_tf.data import Dataset
from gtn_tf.experiments.seed_statistics import difference, of_arm
from gtn_tf.experiments.trials import fresh_accuracies, make_trials, run_trials
from gtn_tf.real_batches import device_split
from gtn_tf.training_run import Run
from gtn_tf.types import InputError

PLAIN = "plain"
_NOT_OF_AN_ARM = ("seed", "dataset.", "evaluation.")


def ablation(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns validation accuracy by arm, and each arm minus `plain`.

    Raises:
      InputError: `evaluation.arms` cannot be read, or an arm's config is
        refused.
    """
    if not config.evaluation.arms:
        raise InputError(
            "experiment 'ablation' has no arms; expected changes of the config "
            "such as meta.batch_size=256; set --config.evaluation.arms="
            "\"('KEY=VALUE','KEY=VALUE;KEY=VALUE')\""
        )
    arms = {PLAIN: {}}
    arms |= {text: read_arm(text) for text in config.evaluation.arms}
    results = run_trials(make_trials(config, arms), folder, _measure)
    return {
        "source": config.source,
        "meta_steps": config.meta.num_steps,
        "arms": {
            arm: {
                **of_arm(results, arm, _accuracy),
                "seconds": _mean_seconds(results, arm),
            }
            for arm in arms
        },
        "differences": {
            arm: difference(results, arm, PLAIN, _accuracy)
            for arm in arms
            if arm != PLAIN
        },
        "results": results,
    }


def read_arm(text: str) -> dict[str, Any]:
    """Reads "KEY=VALUE;KEY=VALUE": Python's literals, or else a string.

    Raises:
      InputError: it is none, or names a key that all arms share.
    """
    changes = {}
    for change in text.split(";"):
        key, equals, value = (part.strip() for part in change.partition("="))
        if not (key and equals and value) or "/" in value:
            raise InputError(
                f"evaluation.arms has {change.strip()!r}; expected KEY=VALUE "
                "without a slash; set --config.evaluation.arms"
            )
        if key not in FIELDS:
            raise unknown_key_error(key)
        if key.startswith(_NOT_OF_AN_ARM):
            raise InputError(
                f"evaluation.arms has {text!r}; expected a key of the "
                f"meta-training, as {key} is the same for all arms; set it by "
                f"--config.{key}"
            )
        changes[key] = _read_value(value)
    return changes


def _read_value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def _measure(run: Run, dataset: Dataset) -> dict[str, list[float]]:
    problem = build_problem(run.config, device_split(dataset, "train"))
    validation = device_split(dataset, "validation")
    (accuracies,) = fresh_accuracies(run, problem, [validation])
    return {"validation_accuracies": accuracies}


def _accuracy(result: dict) -> float | None:
    values = result.get("validation_accuracies")
    return None if values is None else float(np.mean(values))


def _mean_seconds(results: list[dict], arm: str) -> float:
    return float(np.mean([r["seconds"] for r in results if r["arm"] == arm]))
