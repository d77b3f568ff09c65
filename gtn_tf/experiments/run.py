"""Runs an experiment and keeps what it found.

`experiments/NAME/result.json`, `figure.png` and a table on the terminal. The
same command goes on where it was stopped, and draws again what is complete.
"""

from pathlib import Path

from ml_collections import config_dict

from gtn_tf.config import validate
from gtn_tf.experiments.experiment import find_experiment
from gtn_tf.experiments.trials import LeftToOthersError
from gtn_tf.figures.style import save_figure
from gtn_tf.runtime.cluster import refuse_several_workers
from gtn_tf.runtime.devices import environment
from gtn_tf.runtime.files import to_json, write_json
from gtn_tf.runtime.global_switches import configure_runtime
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.runtime.progress import say, show_table
from gtn_tf.runtime.workdir import check_workdir
from gtn_tf.training.assembly import check_learners, load_dataset
from gtn_tf.training.own_data import check_own_data, is_own_data
from gtn_tf.training.run import write_config


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
    configure_runtime(config.num_logical_devices, config.tensor_float_32)
    if is_own_data(config.dataset.name):
        check_own_data(load_dataset(config), workdir)
    name = config.evaluation.experiment
    experiment = find_experiment(name)
    # An import path has a colon, which not every file system takes.
    folder = Path(workdir) / "experiments" / name.replace(":", ".")
    try:
        found = experiment.run(config, folder)
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
    save_figure(folder / "figure.png", experiment.figure(result))
    show_table(experiment.table(result))
    say(f"done: result.json and figure.png in {folder}")
    return 0
