"""Seconds of evaluating architectures by a few steps.

    python -m benchmarks.architecture_evaluation --json=FILE

Two forms of `gtn_tf.nas.evaluators` train the same genotypes for T steps on
the same batches and ask for their validation accuracy:

* `built`: each network is built and traced (search.interpret=False);
* `interpreted`: one graph, traced once, runs all of them.

Wall and CPU seconds are both given: on a machine that others use, the latter
say more. The first row of `interpreted` pays for the trace.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags

from gtn_tf.config import default_config
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.worker import Worker
from gtn_tf.runtime.devices import environment
from gtn_tf.runtime.global_switches import configure_runtime

_JSON = flags.DEFINE_string("json", None, "Where the result goes.")
_DATASET = flags.DEFINE_string("dataset", "digits", "A name of data.DATASETS.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Of TFDS.")
_NUM_ARCHITECTURES = flags.DEFINE_integer("num_architectures", 6, "n")
_NUM_NODES = flags.DEFINE_integer("num_nodes", 5, "Per cell.")
_NUM_CELLS = flags.DEFINE_integer("num_cells", 1, "N")
_CHANNELS = flags.DEFINE_integer("channels", 8, "F")
_NUM_STEPS = flags.DEFINE_integer("num_steps", 32, "T")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "B")


def _config() -> Any:
    config = default_config()
    config.dataset.name = _DATASET.value
    config.dataset.data_dir = _DATA_DIR.value
    config.inner.batch_size = _BATCH_SIZE.value
    config.search.num_nodes = _NUM_NODES.value
    config.search.num_cells = _NUM_CELLS.value
    config.search.channels = _CHANNELS.value
    return config


def _measure(config: Any, interpret: bool) -> Iterator[dict[str, Any]]:
    config.search.interpret = interpret
    name = f"real:steps={_NUM_STEPS.value}"
    config.search.evaluators = (name,)
    worker = Worker(search_spec(config))
    drawn = worker.space.sample_different(
        _NUM_ARCHITECTURES.value, (config.seed,), "num_architectures"
    )
    for genotype in drawn.values():
        wall, cpu = time.perf_counter(), time.process_time()
        evaluation = worker.do(
            {
                "genotype": genotype.to_text(),
                "evaluator": name,
                "seed": 0,
                "teacher": None,
            }
        )
        yield {
            "genotype": genotype.to_text(),
            "score": evaluation["score"],
            "wall_seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
            "parts": evaluation["seconds"],
        }


def _summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Returns the first architecture's seconds and those of a further one."""
    found = {}
    for unit in ("wall_seconds", "cpu_seconds"):
        first, *others = (row[unit] for row in rows)
        found[f"first_{unit}"] = first
        found[f"further_{unit}"] = float(np.mean(others))
    return found


def main(argv: list[str]) -> None:
    """Measures and prints; writes the rows too where asked."""
    del argv
    configure_runtime()
    config = _config()
    result: dict[str, Any] = {
        "size": {
            flag.name: flag.value
            for flag in (
                _DATASET,
                _NUM_NODES,
                _NUM_CELLS,
                _CHANNELS,
                _NUM_STEPS,
                _BATCH_SIZE,
            )
        },
        "environment": {**environment(), "tensorflow": tf.__version__},
    }
    for name, interpret in (("built", False), ("interpreted", True)):
        rows = []
        for row in _measure(config, interpret):
            rows.append(row)
            print(
                f"{name:12} {len(rows):3} wall {row['wall_seconds']:7.2f} s  "
                f"CPU {row['cpu_seconds']:7.2f} s  "
                + "  ".join(f"{k} {v:.2f}" for k, v in row["parts"].items()),
                flush=True,
            )
        result[name] = {**_summary(rows), "rows": rows}
    built, interpreted = result["built"], result["interpreted"]
    for n in (12, 128, 800):
        totals = [
            form["first_cpu_seconds"] + (n - 1) * form["further_cpu_seconds"]
            for form in (built, interpreted)
        ]
        result[f"cpu_share_of_{n}"] = totals[1] / totals[0]
        print(
            f"n = {n}: built {totals[0]:.0f} CPU s, interpreted "
            f"{totals[1]:.0f} CPU s, share {totals[1] / totals[0]:.2f}"
        )
    if _JSON.value:
        Path(_JSON.value).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    flags.mark_flag_as_required("json")
    app.run(main)
