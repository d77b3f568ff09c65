"""Runs a named experiment and keeps what it found.

`experiments/NAME/result.json`, `figure.png` and a table on the terminal. The
same command goes on where it was stopped, and draws again what is complete.
"""

from collections.abc import Callable
from pathlib import Path

from ml_collections import config_dict

from gtn_tf.config import validate
from gtn_tf.experiments.ablation import ablation
from gtn_tf.experiments.curricula import curricula
from gtn_tf.experiments.few_step import few_step
from gtn_tf.experiments.figures import save_experiment
from gtn_tf.experiments.more_data import more_data
from gtn_tf.experiments.tables import TABLES
from gtn_tf.experiments.transfer import transfer
from gtn_tf.experiments.trials import LeftToOthersError
from gtn_tf.experiments.weight_norm import weight_norm
from gtn_tf.runtime.cluster import refuse_several_workers
from gtn_tf.runtime.devices import environment
from gtn_tf.runtime.files import to_json, write_json
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.runtime.progress import say
from gtn_tf.runtime.workdir import check_workdir
from gtn_tf.training.assembly import check_learners
from gtn_tf.training.run import write_config

#: `evaluation.experiment` -> (config, its folder) -> result.json.
EXPERIMENTS: dict[str, Callable[[config_dict.ConfigDict, Path], dict]] = {
    "few_step": few_step,
    "curricula": curricula,
    "weight_norm": weight_norm,
    "transfer": transfer,
    "more_data": more_data,
    "ablation": ablation,
}


def run_experiment(config: config_dict.ConfigDict, workdir: Path) -> int:
    """Runs what is missing of `evaluation.experiment` and draws it.

    Returns:
      The exit code: 0, or 128 + the number of the signal that stopped it.

    Raises:
      InputError: bad config or data, the workdir is of another config, or the
        experiment does not fit this one.
      DivergenceError: there is nothing to compare: all of it diverged.
    """
    validate(config)
    check_learners(config)
    refuse_several_workers(config.strategy)
    check_workdir(config, workdir)
    name = config.evaluation.experiment
    folder = Path(workdir) / "experiments" / name
    try:
        found = EXPERIMENTS[name](config, folder)
    except Stopped as stopped:
        return stopped.code
    except LeftToOthersError as left:
        say(f"{left}; the last process to end draws the figure")
        return 0
    result = to_json(
        {
            "format_version": 1,
            "experiment": name,
            "dataset": config.dataset.name,
            **found,
            "environment": environment(),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "result.json", result)
    if not (Path(workdir) / "config.json").exists():
        write_config(config, Path(workdir))
    save_experiment(folder / "figure.png", result)
    print(TABLES[name](result))
    say(f"done: result.json and figure.png in {folder}")
    return 0
