"""What a GTN is compared with: other sources of training batches.

* `real`, `distillation`: meta-trained through the same outer loop as the GTN:
  as many meta-steps, the same meta-optimizer, inner rates learned per step
  (of distilled images, if the GTN's are).
  Each is a run of its own under `baselines/`, resumable like any other.
* `real_tuned`, `real_subset`, `noise`: constant inner rates from a grid, the
  best by validation accuracy; of `real_tuned` also the way to draw batches, at
  random and augmented as `real` does, or of all classes alike as they are.

All learners, batch sizes and numbers of steps are the GTN's. The seconds of
every meta-training or tuning are counted as the source's own.
"""

import copy
import functools
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from gtn_tf.evaluation.constant_rates import (
    constant_rates,
    draw_balanced,
    draw_noise_images,
    draw_real,
    draw_subset,
)
from gtn_tf.evaluation.sources import (
    MetaTrained,
    Setting,
    Source,
    source_of_run,
)
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.runtime.progress import say
from gtn_tf.runtime.row_log import last_row, read_rows, validations
from gtn_tf.training.pretrain import pretrain
from gtn_tf.training.run import restore_run
from gtn_tf.types import DivergenceError

#: What makes a GTN's config one of real images, whose rates alone are learned.
AS_REAL = {
    "source": "real",
    "curriculum.learn_labels": False,
    "inner.learn_hyperparameters": True,
    "warm_start.num_images": 0,
}


def _meta_trained(name: str, setting: Setting) -> Source:
    done = setting.meta_train(name)
    run = restore_run(done.config, done.folder)
    curve = validations(done.folder, done.config.meta.num_steps)
    return source_of_run(name, run, done.seconds, done.how, curve)


def meta_train(
    name: str, config: config_dict.ConfigDict, workdir: Path
) -> MetaTrained:
    """Meta-trains once per rate; takes the best by validation accuracy.

    Args:
      name: `real` or `distillation`.
      config: of the GTN that it is compared with.
      workdir: of that GTN; the baseline's is `baselines/NAME/RATE` in it.

    Raises:
      DivergenceError: it diverged at every rate.
      InputError: the workdir holds one with more meta-steps.
      Stopped: a signal came.
    """
    rates = config.evaluation.meta_learning_rates or (
        config.meta.learning_rate,
    )
    trials, seconds = [], 0.0
    for rate in rates:
        of_trial = _baseline_config(config, name, rate)
        folder = workdir / "baselines" / name / f"{rate:g}"
        say(f"baseline {name}: meta-training at meta.learning_rate {rate:g}")
        try:
            code = pretrain(of_trial, folder, is_part=True)
            if code:
                raise Stopped(code)
            last = last_row(folder, config.meta.num_steps)
            trials.append((last["validation_accuracy"], rate, of_trial, folder))
        except DivergenceError as error:
            say(f"baseline {name}: {error}")
        rows = read_rows(folder / "metrics.jsonl")
        seconds += rows[-1]["seconds"] if rows else 0.0
    if not trials:
        raise DivergenceError(
            f"baseline {name!r} diverged at every meta-learning rate of "
            f"{tuple(rates)}; give lower ones by "
            "--config.evaluation.meta_learning_rates"
        )
    _, rate, config, folder = max(trials, key=lambda trial: trial[0])
    learned = "learned" if config.inner.learn_hyperparameters else "as given"
    of = f"the best of {len(rates)} on validation data"
    how = f"inner rates {learned}, meta.learning_rate {rate:g}, " + (
        of if len(rates) > 1 else "the config's"
    )
    return MetaTrained(config, folder, seconds, how)


def _baseline_config(
    config: config_dict.ConfigDict, source: str, rate: float
) -> config_dict.ConfigDict:
    changes = {"meta.learning_rate": float(rate)}
    if source == "real":
        return changed(config, changes | AS_REAL)
    changes["source"] = source
    if config.curriculum.name in ("none", "fixed_noise"):
        changes["curriculum.name"] = "full"  # distilled images have no noise
    return changed(config, changes)


def changed(
    config: config_dict.ConfigDict, changes: dict[str, Any]
) -> config_dict.ConfigDict:
    """Returns the config of a meta-training that others are compared with.

    Args:
      config: of which it is a copy, without an experiment and with less to log.
      changes: the values of dotted keys that are other.
    """
    config = copy.deepcopy(config)
    config.evaluation.experiment = None
    config.log.tensorboard = False
    config.log.to = None
    config.log.samples_every = 0
    with config.ignore_type():
        config.update_from_flattened_dict(changes)
    return config


# Functions of a `Setting` that return a `Source`, as
# `config.choices.BASELINES` names them.
real = functools.partial(_meta_trained, "real")
distillation = functools.partial(_meta_trained, "distillation")
real_tuned = functools.partial(
    constant_rates,
    "real_tuned",
    {"drawn at random": draw_real, "of all classes alike": draw_balanced},
)
real_subset = functools.partial(
    constant_rates, "real_subset", {"of one set": draw_subset}
)
noise = functools.partial(
    constant_rates, "noise", {"of noise": draw_noise_images}
)
