"""The command that makes a kept result again. No TensorFlow here.

It begins with the config of `configs/` that is nearest: from which the fewest
keys differ.
"""

import functools
import shlex
from pathlib import Path
from typing import Any

from gtn_tf.config import flatten
from gtn_tf.config.named import config_names, named_config
from gtn_tf.report.write import flags
from gtn_tf.runtime.files import read_json, to_json

#: What older results did by a key that they lack, where a config of today says
#: otherwise.
BEFORE = {"meta.noise_rate_ratio": 1.0}
#: Paths that are not kept, and how many processes shared the work.
UNTOLD = (
    *("dataset.data_dir", "search.gtn", "search.distillation"),
    *("retrain.genotype", "search.num_shards", "search.shard"),
)
#: What each row of a table of trainings tells.
_OF_A_ROW = ("genotype", "name", "channels", "cutout", "num_seeds")
#: Experiments that read `evaluation.arms`, which later commands may add to.
_WITH_ARMS = ("ablation", "any_network")

Flat = dict[str, Any]


def of_evaluation(folder: Path, evaluation: dict) -> str:
    """Returns Markdown: the meta-training, then the comparison."""
    if not (folder / "config.json").exists():
        return ""
    values = _kept(folder)
    sources = {"evaluation.sources": list(evaluation["sources"])}
    return (
        f"To run it again:\n\n{_command(values, folder.name)}\n"
        f"{_command(values | sources, folder.name, '--mode=evaluate')}"
    )


def of_experiment(folder: Path, result: dict) -> str:
    """Returns Markdown; nothing of a result of neither trials nor searches.

    Its config is that of the last of several commands.
    """
    trials, name = result.get("results", []), result["experiment"]
    searches = result.get("searches", [])
    if not (trials or searches) or not (folder / "config.json").exists():
        return ""
    values = _kept(folder)
    if searches:
        asked = dict.fromkeys(search["strategy"] for search in searches)
        values["evaluation.strategies"] = list(asked)
        values["search.evaluators"] = list(result["prices"])
    if name in _WITH_ARMS:
        arms = dict.fromkeys(trial["arm"] for trial in trials)
        values["evaluation.arms"] = [arm for arm in arms if arm != "plain"]
    mode = ("--mode=evaluate", f"--config.evaluation.experiment={name}")
    return f"To run it again:\n\n{_command(values, folder.name, *mode)}"


def of_search(folder: Path, ranking: dict) -> str:
    """Returns Markdown."""
    values = dict(flatten(ranking["config"]))
    command = _command(values, folder.name, "--mode=search")
    return f"To run it again:\n\n{command}"


def of_trainings(folder: Path) -> str:
    """Returns Markdown: what all rows of a table have."""
    row = [f"retrain.{key}" for key in _OF_A_ROW]
    values = {k: v for k, v in _kept(folder).items() if k not in row}
    told = ", ".join(f"`{key}`" for key in row)
    return (
        f"To run one again, with {told} of its row:\n\n"
        f"{_command(values, folder.name, '--mode=retrain')}"
    )


def _kept(folder: Path) -> Flat:
    return dict(flatten(read_json(folder / "config.json")))


@functools.cache
def _named() -> dict[str, Flat]:
    return {
        name: dict(flatten(to_json(named_config(name).to_dict())))
        for name in config_names()
    }


def _command(values: Flat, name: str, *mode: str) -> str:
    """Returns it indented, so that Markdown shows it as it is.

    Args:
      values: the config.
      name: of the result, for a workdir of its own.
      mode: the flags of a mode.
    """
    told = {k: v for k, v in (BEFORE | values).items() if k not in UNTOLD}
    changes = {base: flags(told, flat) for base, flat in _named().items()}
    nearest = min(changes, key=lambda base: len(changes[base]))
    workdir = [f"--workdir=runs/{name}"] * (name != nearest)
    first = f"    python -m gtn_tf.main --config=configs/{nearest}.py"
    lines = [" ".join([first, *(workdir or mode)])]
    lines += [" ".join(mode)] * bool(workdir)
    lines += map(shlex.quote, changes[nearest])
    return " \\\n        ".join(filter(None, lines))
