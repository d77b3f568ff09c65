"""Time, FLOPs and memory of one meta-step, form by form.

    python -m benchmarks.meta_step --learner=conv2_fc --num_inner_steps=32 \
        --batch_size=128 --json=FILE
    python -m benchmarks.meta_step --size=digits --num_cores=1 --num_rounds=30

Every form runs in a process of its own; the processes take turns, one call
each per round, and the medians over rounds are compared. On a machine that
others use too, the ratios of processor seconds are the steadier ones: wall
time measures the neighbours as well.

    plain     first-order training for T steps on the same images: the unit
    stored    d meta-loss / d data, everything kept
    remat     the same, keeping states only
    side_by_side    the same, of several learners with one more axis
    generator, generator_forward    all T batches, with and without gradient
    torch_*   plain, stored and remat in eager PyTorch (extra `peer`)
    jax_*     the same in JAX: jit, scan, checkpoint (extra `peer`)

Ratios are per inner step, the final meta-loss (1 / T of plain) included in
those of time. FLOPs are those of convolutions and matrix products that the
optimised graph executes. A form's efficiency is the FLOPs of gtn_tf's graph of
that form, over its least time, over those of a product of two matrices of 1024
rows on as many cores, by wall time and by processor time.
"""

import json
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable
from importlib import util
from multiprocessing.connection import Connection
from pathlib import Path

from absl import app, flags

from benchmarks.forms import (
    SIZES,
    Case,
    peer_form,
    state_bytes,
    tensorflow_form,
)
from benchmarks.machine import PEAK_FLOPS, environment, matrix_product

_SIZE = flags.DEFINE_enum(
    "size", None, list(SIZES), "in place of the sizes that follow"
)
_NUM_CORES = flags.DEFINE_integer("num_cores", None, "default: all")
_NUM_LEARNERS = flags.DEFINE_integer(
    "num_learners", 1, "of `remat` and `side_by_side`"
)
_CONVOLUTION = flags.DEFINE_string(
    "convolution", "direct", "as learner.convolution"
)
_LEARNER = flags.DEFINE_string("learner", "conv2_fc", "family of the learner")
_WIDTHS = flags.DEFINE_list("widths", None, "per layer; default: official")
_IMAGE_SHAPE = flags.DEFINE_list("image_shape", ["28", "28", "1"], "H,W,C")
_NUM_INNER_STEPS = flags.DEFINE_integer("num_inner_steps", 32, "T")
_STORED_STEPS = flags.DEFINE_integer(
    "stored_num_inner_steps", None, "T of the stored forms; default: T"
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "B, synthetic and real")
_POOL_SIZE = flags.DEFINE_integer("pool_size", 3, "of max-pools, pixels")
_EVERY = flags.DEFINE_integer("meta_loss_every", 0, "intermediate meta-losses")
_GENERATOR = flags.DEFINE_list(
    "generator", ["128", "1024", "128", "64"], "Z, dense width, channels"
)
_FORMS = flags.DEFINE_list(
    "forms",
    ["plain", "stored", "remat", "generator", "generator_forward"],
    "which forms, peers apart",
)
_PEERS = flags.DEFINE_list("peers", ["torch", "jax"], "those installed")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 5, "calls of each form")
_FLOP_BATCH_SIZE = flags.DEFINE_integer(
    "flop_batch_size", 8, "B where FLOPs are counted: ratios do not change"
)
_SLOPE_STEPS = flags.DEFINE_integer(
    "slope_num_inner_steps",
    None,
    "the larger T of the memory slope; default: 4 T. The peak of one process "
    "differs by some 100 MB from the next one's: a short way shows mostly that",
)
_SLOPE = flags.DEFINE_bool("slope", True, "measure memory over T")
_JSON = flags.DEFINE_string("json", None, "where to write")

_SPAWN = multiprocessing.get_context("spawn")


def _thunk(form: str, case: Case) -> Callable[[], object]:
    if form.partition("_")[0] in ("torch", "jax"):
        return peer_form(form, case)
    from gtn_tf.runtime.global_switches import configure_runtime

    configure_runtime()
    if form == "peak":
        return matrix_product
    return tensorflow_form(form, case).get_concrete_function()


def _seconds() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _serve(
    form: str, case: Case, pipe: Connection, num_cores: int | None
) -> None:
    """Builds a form; answers commands until `stop`."""
    # Before a library counts the cores that it makes threads for.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:num_cores])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    began = time.perf_counter()
    thunk = _thunk(form, case)
    thunk()
    pipe.send({"first_call_seconds": time.perf_counter() - began})
    while (command := pipe.recv()) != "stop":
        if command == "time":
            before = _seconds()
            thunk()
            after = _seconds()
            pipe.send([a - b for a, b in zip(after, before, strict=True)])
        elif command == "ops":
            from benchmarks import op_counts

            runs = op_counts.run_and_record(thunk)
            pipe.send(
                {
                    "flops": op_counts.flops_by_type(runs),
                    "kernel_microseconds": op_counts.microseconds_by_type(runs),
                    "num_kernels": len(runs),
                }
            )
        elif command == "peak":
            kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            pipe.send(1024 * kilobytes)


class Worker:
    """A process that holds one form."""

    def __init__(self, form: str, case: Case) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(
            target=_serve,
            args=(form, case, theirs, _NUM_CORES.value),
            daemon=True,
        )
        self.process.start()
        theirs.close()
        self.first = self.pipe.recv()

    def ask(self, command: str) -> object:
        """Returns the answer to one command."""
        self.pipe.send(command)
        return self.pipe.recv()

    def stop(self) -> None:
        """Ends the process."""
        self.pipe.send("stop")
        self.process.join()


def _case_of(form: str, case: Case) -> Case:
    steps = _STORED_STEPS.value
    if steps and form.endswith("stored"):
        return case._replace(num_inner_steps=steps)
    return case


def measure_seconds(forms: list[str], case: Case, num_rounds: int) -> dict:
    """Returns {form: ms per inner step, first call, peak memory, ..}.

    `peak`, a product of matrices, takes its turn with them.
    """
    forms = [*forms, "peak"]
    workers = {form: Worker(form, _case_of(form, case)) for form in forms}
    for worker in workers.values():
        worker.ask("time")  # allocators settle
    times = {form: [] for form in forms}
    for _ in range(num_rounds):
        for form, worker in workers.items():
            times[form].append(worker.ask("time"))
    found = {}
    for form, worker in workers.items():
        num_steps = _case_of(form, case).num_inner_steps
        wall, cpu = zip(*times[form], strict=True)
        found[form] = {
            "num_inner_steps": num_steps,
            "wall_ms_per_inner_step": 1e3 * statistics.median(wall) / num_steps,
            "cpu_ms_per_inner_step": 1e3 * statistics.median(cpu) / num_steps,
            "wall_seconds": wall,
            "cpu_seconds": cpu,
            "least_wall_seconds": min(wall),
            "least_cpu_seconds": min(cpu),
            "peak_bytes": worker.ask("peak"),
            **worker.first,
        }
        worker.stop()
    return found


def count_operations(forms: list[str], case: Case) -> dict:
    """Returns {form: FLOPs and kernels of one call}."""
    found = {}
    for form in forms:
        worker = Worker(form, _case_of(form, case))
        num_steps = _case_of(form, case).num_inner_steps
        found[form] = {"num_inner_steps": num_steps, **worker.ask("ops")}
        worker.stop()
    return found


def measure_peaks(form: str, case: Case, steps: list[int]) -> dict[int, int]:
    """Returns {T: bytes of the peak of one call}."""
    peaks = {}
    for num_steps in steps:
        worker = Worker(form, case._replace(num_inner_steps=num_steps))
        peaks[num_steps] = worker.ask("peak")
        worker.stop()
    return peaks


def efficiencies(times: dict, operations: dict, case: Case) -> dict:
    """Returns {form: FLOPs per second over a matrix product's, learners}.

    Args:
      times: from `measure_seconds`.
      operations: from `count_operations`, of fewer images.
      case: that was timed.
    """
    found = {}
    share = case.batch_size / min(case.batch_size, _FLOP_BATCH_SIZE.value)
    for form, seconds in times.items():
        kind = "remat" if form == "side_by_side" else form.rpartition("_")[2]
        if kind not in operations:
            continue
        flops = share * sum(operations[kind]["flops"].values())
        num_learners = case.num_learners if kind == "remat" else 1
        found[form] = {
            f"{clock}_efficiency": num_learners
            * (flops / seconds[f"least_{clock}_seconds"])
            / (PEAK_FLOPS / times["peak"][f"least_{clock}_seconds"])
            for clock in ("wall", "cpu")
        }
        found[form]["learners_per_second"] = (
            num_learners / seconds["least_wall_seconds"]
        )
    return found


def ratios(raw: dict, key: str) -> dict[str, float]:
    """Returns the ratios of design interest from {form: {key: number}}."""
    pairs = {
        "remat": ("remat", "plain"),
        "stored": ("stored", "plain"),
        "generator": ("generator", "generator_forward"),
        "torch_remat_over_remat": ("torch_remat", "remat"),
        "torch_stored_over_stored": ("torch_stored", "stored"),
        "torch_plain_over_plain": ("torch_plain", "plain"),
        "jax_remat_over_remat": ("jax_remat", "remat"),
        "jax_stored_over_stored": ("jax_stored", "stored"),
        "jax_plain_over_plain": ("jax_plain", "plain"),
    }
    return {
        name: raw[above][key] / raw[below][key]
        for name, (above, below) in pairs.items()
        if above in raw and below in raw
    }


def measure(case: Case, forms: list[str], num_rounds: int) -> dict:
    """Returns everything that the JSON file holds."""
    from benchmarks.op_counts import flop_ratios

    times = measure_seconds(forms, case, num_rounds)
    counted = [form for form in forms if form in ("plain", "stored", "remat")]
    small = case._replace(
        batch_size=min(case.batch_size, _FLOP_BATCH_SIZE.value), num_learners=1
    )
    operations = count_operations(counted, small)
    result = {
        "case": case._asdict(),
        "ratios": ratios(times, "wall_ms_per_inner_step"),
        "cpu_ratios": ratios(times, "cpu_ms_per_inner_step"),
        "least_cpu_ratios": ratios(times, "least_cpu_seconds"),
        "flop_ratios": flop_ratios(operations),
        "efficiency": efficiencies(times, operations, case),
        "times": times,
        "operations": {"batch_size": small.batch_size, **operations},
        **environment(_NUM_CORES.value),
    }
    if "remat" in forms and _SLOPE.value:
        fewer = case.num_inner_steps
        more = _SLOPE_STEPS.value or 4 * fewer
        peaks = measure_peaks("remat", case, [fewer, more])
        slope = (peaks[more] - peaks[fewer]) / (more - fewer)
        data_bytes = _data_bytes(case)
        state = state_bytes(case)
        result["state_bytes"] = state
        result["peak_bytes_by_num_inner_steps"] = peaks
        result["memory_bytes_per_inner_step"] = slope
        result["data_bytes_per_inner_step"] = data_bytes
        # Images and their gradient are no part of the learner's state.
        result["memory_slope_over_state"] = (slope - 2 * data_bytes) / state
    return result


def _data_bytes(case: Case) -> int:
    height, width, channels = case.image_shape
    return 4 * case.batch_size * height * width * channels


def main(argv: list[str]) -> None:
    """Measures as the flags say."""
    del argv
    forms = list(_FORMS.value)
    names = [form for form in forms if form in ("plain", "stored", "remat")]
    for peer in _PEERS.value:
        if util.find_spec(peer):
            forms += [f"{peer}_{name}" for name in names]
    noise_dim, dense_width, *channels = map(int, _GENERATOR.value)
    case = Case(
        learner=_LEARNER.value,
        widths=tuple(map(int, _WIDTHS.value)) if _WIDTHS.value else None,
        image_shape=tuple(map(int, _IMAGE_SHAPE.value)),
        num_inner_steps=_NUM_INNER_STEPS.value,
        batch_size=_BATCH_SIZE.value,
        pool_size=_POOL_SIZE.value,
        meta_loss_every=_EVERY.value,
        generator=(noise_dim, (dense_width,), tuple(channels)),
    )
    if _SIZE.value is not None:
        case = SIZES[_SIZE.value]
    case = case._replace(
        num_learners=_NUM_LEARNERS.value, convolution=_CONVOLUTION.value
    )
    result = measure(case, forms, _NUM_ROUNDS.value)
    text = json.dumps(result, indent=1)
    if _JSON.value is not None:
        from gtn_tf.runtime.files import write_atomically

        write_atomically(Path(_JSON.value), (text + "\n").encode())
    shown = (
        *("ratios", "cpu_ratios", "least_cpu_ratios", "flop_ratios"),
        *("efficiency", "memory_slope_over_state"),
    )
    print(json.dumps({k: result[k] for k in shown if k in result}, indent=1))


if __name__ == "__main__":
    app.run(main)
