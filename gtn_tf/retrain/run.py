"""`--mode=retrain`: trains one genotype on real data, the long protocol.

The protocol is the paper's (NAO's code). Departures: test images are read
once, after the last epoch, and choose nothing (NAO keeps the best epoch's);
images that fill no batch are left out of an epoch; initial weights are He's
normal ones; see also `retrain_step`, `drop_path` and `cell_structure`.

A training is stopped and resumed at any step, bit for bit. `retrain/NAME`
holds `result.json` and, per seed, `seed_S/`: `metrics.jsonl` (a row per
epoch), `checkpoints/`, `model.keras`, `saved_model/`, `result.json`.
"""

import math
import os
import shutil
from pathlib import Path

from ml_collections import config_dict

from gtn_tf.config import validate
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.retrain.assembly import (
    Training,
    build_training,
    retrain_spec,
)
from gtn_tf.retrain.genotype import Origin, find_genotype
from gtn_tf.retrain.loop import run_steps
from gtn_tf.retrain.network import without_auxiliary_head
from gtn_tf.retrain.result import write_result
from gtn_tf.runtime.checkpoints import Checkpoints
from gtn_tf.runtime.cluster import refuse_several_workers
from gtn_tf.runtime.devices import environment
from gtn_tf.runtime.files import read_json, write_json
from gtn_tf.runtime.global_switches import configure_runtime
from gtn_tf.runtime.host_loop import stop_message
from gtn_tf.runtime.interrupts import catch_signals, exit_code
from gtn_tf.runtime.progress import say
from gtn_tf.runtime.workdir import (
    check_same_config,
    check_workdir,
    claim_workdir,
)
from gtn_tf.search_spaces.cells.cost import cell_network_cost
from gtn_tf.training.own_data import check_own_data
from gtn_tf.types import InputError

#: Keys that a resumed training may have with another value.
_MAY_CHANGE = (
    "dataset.data_dir",
    "retrain.genotype",  # the cells themselves are compared
    "retrain.name",  # is the folder's
    "retrain.num_seeds",
    "retrain.checkpoint_every_epochs",
)


def retrain(config: config_dict.ConfigDict, workdir: Path) -> int:
    """Trains `retrain.genotype` once per seed, resuming what was begun.

    Returns:
      The exit code: 0, or 128 + the number of the signal that stopped it.

    Raises:
      InputError: bad config, genotype, data or workdir; or as `find_logs`.
      DivergenceError: the training loss is not finite.
    """
    validate(config)
    refuse_several_workers(config.strategy)
    retrain_spec(config)  # raises where a log is missing
    origin = find_genotype(config.retrain.genotype)
    folder = Path(workdir) / "retrain" / training_name(config, origin)
    check_workdir(config, workdir)
    # Not the workdir: several trainings of it may run at a time.
    with claim_workdir(folder), catch_signals() as caught:
        _check_config(config, origin, folder)
        configure_runtime(config.num_logical_devices, config.tensor_float_32)
        training = build_training(config, origin.genotype)
        check_own_data(training.dataset, workdir)
        _check_replicas(training.devices.num_replicas, folder)
        _write_configs(
            config, origin, training.devices.num_replicas, workdir, folder
        )
        seeds = range(config.seed, config.seed + config.retrain.num_seeds)
        for seed in seeds:
            seed_folder = folder / f"seed_{seed}"
            if (seed_folder / "result.json").exists():
                continue
            say(
                f"{folder.name}: seed {seed} ({seeds.index(seed) + 1} of "
                f"{len(seeds)})"
            )
            seed_folder.mkdir(exist_ok=True)
            if not _train(training, seed_folder, seed, caught):
                return exit_code(caught)
        write_result(folder, seeds, _facts(training, origin))
        say(f"done: {folder / 'result.json'}")
    return 0


def training_name(config: config_dict.ConfigDict, origin: Origin) -> str:
    """Returns NAME: `retrain.name`, or one of genotype, N, F and cutout."""
    options = config.retrain
    if options.name is not None:
        return options.name
    name = f"{origin.name}_n{options.num_cells}_f{options.channels}"
    return f"{name}_cutout{options.cutout}" if options.cutout else name


def _identity(config: config_dict.ConfigDict, origin: Origin) -> dict:
    """What a training is; kept as `retrain/NAME/config.json`."""
    values = config.to_dict()
    kept = ("seed", "dataset", "retrain", "precision")
    return {
        "genotype": origin.genotype.to_text(),
        **{key: values[key] for key in kept},
    }


def _check_config(
    config: config_dict.ConfigDict, origin: Origin, folder: Path
) -> None:
    path = folder / "config.json"
    if path.exists():
        saved = read_json(path)
        saved.pop("num_replicas", None)
        check_same_config(
            saved,
            _identity(config, origin),
            _MAY_CHANGE,
            remedy="give another --config.retrain.name",
        )


def _check_replicas(num_replicas: int, folder: Path) -> None:
    """Refuses to go on with another number, which would be another training."""
    path = folder / "config.json"
    saved = read_json(path).get("num_replicas") if path.exists() else None
    if saved not in (None, num_replicas):
        raise InputError(
            f"{num_replicas} replicas; expected {saved}, as this training was "
            "begun with, for batch normalisation sees the images of one "
            "replica; use as many devices or give another "
            "--config.retrain.name"
        )


def _write_configs(
    config: config_dict.ConfigDict,
    origin: Origin,
    num_replicas: int,
    workdir: Path,
    folder: Path,
) -> None:
    if not (Path(workdir) / "config.json").exists():
        write_json(
            Path(workdir) / "config.json",
            {**config.to_dict(), "environment": environment()},
        )
    write_json(
        folder / "config.json",
        {**_identity(config, origin), "num_replicas": num_replicas},
    )


def _train(
    training: Training, folder: Path, seed: int, caught: list[int]
) -> bool:
    """Trains one seed to the end and writes its results, or saves it.

    Returns:
      Whether it came to the end.
    """
    training.initialize(fold(root_seed(seed), Purpose.WEIGHTS))
    checkpoints = _checkpoints(training, folder)
    checkpoints.restore_latest()
    done = int(training.step.numpy())
    num_steps = training.num_steps
    if done:
        say(f"resumed at step {done} of {num_steps}")
    if done < num_steps:
        stopped_by = run_steps(training, folder, seed, caught, checkpoints)
        if stopped_by:
            step = int(training.step.numpy())
            say(stop_message(stopped_by, f"step {step}"))
            return False
    _export(training, folder)
    num_images = len(training.dataset.test.images)
    num_right = round(num_images * training.accuracy_of("test"))
    write_json(
        folder / "result.json",
        {
            "seed": seed,
            "test_error": (num_images - num_right) / num_images,
            "seconds": float(training.seconds.numpy()),
            "num_devices": training.devices.num_replicas,
            "environment": environment(),
        },
    )
    return True


def _facts(training: Training, origin: Origin) -> dict:
    """What is the same for all seeds of a training."""
    spec, dataset = training.spec, training.dataset
    cost = cell_network_cost(
        origin.genotype,
        spec.num_cells,
        spec.channels,
        dataset.image_shape,
        dataset.num_classes,
    )
    variables = training.state.model.trainable_variables
    return {
        "genotype_name": origin.name,
        "genotype": origin.genotype.to_text(),
        "search": origin.search,
        "dataset": dataset.name,
        "num_training_images": len(training.images.images),
        "num_test_images": len(dataset.test.images),
        "mean": dataset.mean,
        "std": dataset.std,
        **training.protocol._asdict(),
        "num_cells": spec.num_cells,
        "channels": spec.channels,
        "use_validation": spec.use_validation,
        "dropout_keep": spec.dropout_keep,
        "drop_path_keep": spec.drop_path_keep,
        "precision": spec.precision,
        "params": cost.params,
        "params_with_auxiliary_head": sum(
            math.prod(v.shape) for v in variables
        ),
        "multiply_adds": cost.multiply_adds,
    }


def _checkpoints(training: Training, folder: Path) -> Checkpoints:
    state = training.state
    return Checkpoints(
        folder / "checkpoints",
        {
            # Their order is that of the network, whatever Keras calls them.
            "network": [v.value for v in state.model.variables],
            "velocities": state.velocities,
            "totals": state.totals,
            "step": training.step,
            "seconds": training.seconds,
        },
        training.spec.max_to_keep,
    )


def _export(training: Training, folder: Path) -> None:
    """Writes the trained network, which takes normalised images."""
    network = without_auxiliary_head(training.state.model)
    part = folder / ".part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    network.save(part / "model.keras")
    network.export(str(part / "saved_model"), verbose=False)
    shutil.rmtree(folder / "saved_model", ignore_errors=True)
    for name in ("model.keras", "saved_model"):
        os.replace(part / name, folder / name)
    part.rmdir()
