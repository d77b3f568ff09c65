"""Weak scaling: does a second core carry a second learner at no cost in time?

    python -m benchmarks.weak_scaling --config=configs/digits.py --json=FILE

Three ways to take meta-steps, all of one learner per core:

* one: 1 learner, one process on one core;
* devices: 2 learners, one process of two logical devices on two cores;
* workers: 2 learners, two processes on a core each, joined by TF_CONFIG.

All are set up first and then take turns, some meta-steps at a time, so that
other work on the machine meets all of them. The efficiency of a way is
seconds(one) / seconds(way), the median over rounds; 1 is perfect. Where other
work leaves no core free, wall time measures the neighbours; the overhead in
processor seconds per learner, way / one, is steadier, but knows no waiting.
"""

import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from absl import app, flags
from ml_collections import config_dict, config_flags

_CONFIG = config_flags.DEFINE_config_file("config", "configs/digits.py")
_JSON = flags.DEFINE_string("json", None, "Where the result goes.")
_ROUNDS = flags.DEFINE_integer("rounds", 10, "Turns of each way.", 1)
_STEPS = flags.DEFINE_integer("steps", 10, "Meta-steps per turn.", 1)


class _Process(NamedTuple):
    """One process of a way.

    Attributes:
      strategy, num_devices, num_learners: as in the config.
      cores: that it is pinned to.
      tf_config: None without other workers.
    """

    strategy: str
    num_devices: int
    num_learners: int
    cores: tuple[int, ...]
    tf_config: dict | None = None


class _Turn(NamedTuple):
    """Some meta-steps of one process, or the mean of a way's."""

    seconds: float
    processor_seconds: float


def _ways(cores: list[int]) -> dict[str, list[_Process]]:
    first, second = cores[:2]
    cluster = {"worker": _free_addresses(2)}
    return {
        "one": [_Process("one_device", 1, 1, (first,))],
        "devices": [_Process("mirrored", 2, 2, (first, second))],
        "workers": [
            _Process(
                *("multi_worker", 1, 2, (core,)),
                {"cluster": cluster, "task": {"type": "worker", "index": i}},
            )
            for i, core in enumerate((first, second))
        ],
    }


def _free_addresses(number: int) -> list[str]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def _serve(
    process: _Process, config: config_dict.ConfigDict, commands: Connection
) -> None:
    """Takes as many meta-steps as each command says; answers `_Turn`."""
    os.sched_setaffinity(0, process.cores)
    if process.tf_config is not None:
        os.environ["TF_CONFIG"] = json.dumps(process.tf_config)
    import tensorflow as tf

    from gtn_tf.runtime.global_switches import configure_runtime
    from gtn_tf.training.run import build_run

    num_threads = len(process.cores)
    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)
    config.strategy = process.strategy
    config.meta.num_learners = process.num_learners
    configure_runtime(process.num_devices)
    with tempfile.TemporaryDirectory() as folder:
        run = build_run(config, Path(folder), config.strategy)
        run.meta_step(tf.constant(0))["meta_loss"].numpy()
        commands.send(None)
        step = 1
        while number := commands.recv():
            began, used = time.monotonic(), time.process_time()
            for _ in range(number):
                loss = run.meta_step(tf.constant(step))["meta_loss"]
                step += 1
            loss.numpy()
            turn = _Turn(time.monotonic() - began, time.process_time() - used)
            commands.send(turn)
        run.devices.gather(0)  # the chief must not leave first


def _take_turn(connections: list[Connection], number: int) -> _Turn:
    """Returns the wall time of the slowest, the processor time of all."""
    for connection in connections:
        connection.send(number)
    turns = [connection.recv() for connection in connections]
    return _Turn(
        max(turn.seconds for turn in turns) / number,
        sum(turn.processor_seconds for turn in turns) / number,
    )


def _measure(config: config_dict.ConfigDict) -> dict[str, list[_Turn]]:
    """Returns seconds per meta-step of every turn of each way."""
    context = multiprocessing.get_context("spawn")
    ways: dict[str, list[Connection]] = {}
    processes = []
    for name, members in _ways(sorted(os.sched_getaffinity(0))).items():
        ways[name] = []
        for member in members:
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(member, config, theirs), daemon=True
            )
            process.start()
            processes.append(process)
            ways[name].append(ours)
    for connections in ways.values():
        for connection in connections:
            connection.recv()
    turns: dict[str, list[_Turn]] = {name: [] for name in ways}
    for _ in range(_ROUNDS.value):
        for name, connections in ways.items():
            turns[name].append(_take_turn(connections, _STEPS.value))
    for connections in ways.values():
        for connection in connections:
            connection.send(0)
    for process in processes:
        process.join()
    return turns


def main(argv: list[str]) -> None:
    """Measures, prints a line per way, writes JSON where asked to."""
    del argv
    measured = _measure(_CONFIG.value)
    result = {}
    for name, turns in measured.items():
        num_learners = 1 if name == "one" else 2
        pairs = list(zip(measured["one"], turns, strict=True))
        efficiency = [one.seconds / way.seconds for one, way in pairs]
        overhead = [
            way.processor_seconds / num_learners / one.processor_seconds
            for one, way in pairs
        ]
        result[name] = {
            "seconds_per_meta_step": statistics.median(
                turn.seconds for turn in turns
            ),
            "efficiency": statistics.median(efficiency),
            "efficiency_range": [min(efficiency), max(efficiency)],
            "processor_overhead": statistics.median(overhead),
            "processor_overhead_range": [min(overhead), max(overhead)],
        }
        print(name, json.dumps(result[name]), flush=True)
    if _JSON.value:
        Path(_JSON.value).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
