"""How a meta-step and a search grow, axis by axis.

    python -m benchmarks.growth --json=benchmarks/results/growth.json \
        --page=docs/growth.md

Each point is a process of its own and is stored once it is measured: the same
command goes on where it was stopped. Along the first five axes one size of a
meta-step (`BASE`) changes and the others stay; along the last two the number of
candidates, of a search by counted scores, so that what is left is all that
surrounds the trainings: proposals, jobs and their files, ranking, report; and
of `rank`, of which one candidate trains and the others are refused.

Per point the least wall and processor seconds of some calls, and the peak of
the process' memory above what it held before anything was built; of a meta-step
also the FLOPs of its optimised graph (`benchmarks.op_counts`) and the bytes
that `gtn_tf.training.memory` counts on.
"""

import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

from absl import app, flags

from benchmarks.growth_page import write_page
from benchmarks.growth_points import AXES, BASE, due, measure
from benchmarks.machine import environment
from gtn_tf.runtime.files import read_json, write_json

_JSON = flags.DEFINE_string("json", None, "Of the measured points.")
_PAGE = flags.DEFINE_string("page", None, "Where the page of them goes.")
_AXES = flags.DEFINE_list("axes", None, "Names of `AXES`; default: all.")
_NUM_POINTS = flags.DEFINE_integer(
    "num_points", None, "Of each axis, its smallest; default: all.", 1
)

_FORKS = multiprocessing.get_context("forkserver")


def _answer(axis: str, value: int, path: str) -> None:
    write_json(Path(path), measure(axis, value))


def _measure_apart(axis: str, value: int) -> dict[str, Any]:
    """Measures one point in a process that has TensorFlow, but nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "point.json"
        process = _FORKS.Process(target=_answer, args=(axis, value, str(path)))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{axis} = {value} ended with {process.exitcode}")
        return read_json(path)


def main(argv: list[str]) -> None:
    """Measures what is not there; writes the page of what is."""
    del argv
    path = Path(_JSON.value)
    found: dict[str, Any] = {"base": BASE, "points": {}, **environment()}
    if path.exists():
        found = read_json(path)
    _FORKS.set_forkserver_preload(["gtn_tf.training.assembly"])
    axes = _AXES.value or list(AXES)
    for axis, value in due(found["points"], axes, _NUM_POINTS.value):
        began = time.perf_counter()
        point = _measure_apart(axis, value)
        found["points"].setdefault(axis, {})[str(value)] = point
        write_json(path, found)
        seconds = time.perf_counter() - began
        print(
            f"{axis} {value} ({seconds:.0f} s): {json.dumps(point)}", flush=True
        )
    if _PAGE.value:
        write_page(Path(_PAGE.value), found)


if __name__ == "__main__":
    flags.mark_flag_as_required("json")
    app.run(main)
