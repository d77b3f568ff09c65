"""What one GPU makes of a meta-step of the paper's size, in nine minutes.

    pip install '.[gpu]' torch
    python -m benchmarks.accelerator --json=FILE --workdir=DIR --data_dir=DIR

Measures the meta-gradient of one learner at the paper's MNIST and CIFAR-10
size, compiled by XLA, in float32, with TensorFloat-32 and in bfloat16, and of
several learners side by side; PyTorch's, eager and compiled, where it has the
learner. Each form is a process of its own; one that fails or takes too long is
told of, and the others go on. What time is left goes to the config `mnist`, and
the last of it to an evaluation of the GTN so far. Each part writes the file
anew.

`--dry` does the same with small sizes, on whatever device there is.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from absl import app, flags

from benchmarks.forms import Case

_DRY = flags.DEFINE_bool("dry", False, "small sizes: does it run at all?")
_MINUTES = flags.DEFINE_float("minutes", 9.0, "for everything")
_JSON = flags.DEFINE_string("json", None, "where to write")
_WORKDIR = flags.DEFINE_string("workdir", None, "of the config mnist")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "of its data; None: TFDS'")
_CHILD = flags.DEFINE_string("child", None, "of this script's own: one form")
_NUM_CALLS = 5

#: Shares of the time: until when forms begin, and until when `mnist` trains.
_FORMS_END, _TRAINING_END = 0.5, 0.85

_CASES = {
    "mnist": Case(meta_loss_every=1),
    "cifar10": Case(
        learner="conv5_pool",
        widths=(128, 256, 256, 256, 256),
        image_shape=(32, 32, 3),
        num_inner_steps=128,
        meta_loss_every=16,
    ),
}
#: Those that PyTorch's form knows: no intermediate meta-losses.
_PEER_CASES = {
    "mnist_last_loss": Case(),
    "cifar10_conv3_fc": Case(
        learner="conv3_fc", image_shape=(32, 32, 3), num_inner_steps=128
    ),
}
_SMALL = {
    "num_inner_steps": 2,
    "batch_size": 4,
    "image_shape": (8, 8, 1),
    "meta_loss_every": 0,
}


class Form(NamedTuple):
    """One thing to measure.

    Attributes:
      case: a key of `_CASES` or `_PEER_CASES`.
      kind: `gtn_tf`, or one of `benchmarks.torch_forms`.
      precision: of `gtn_tf`, a Keras policy.
      tensor_float_32: likewise.
      num_learners: of `gtn_tf`, side by side.
    """

    case: str
    kind: str = "gtn_tf"
    precision: str = "float32"
    tensor_float_32: bool = False
    num_learners: int = 1

    @property
    def name(self) -> str:
        """Of the form in the file."""
        return ",".join(map(str, self))


def forms() -> Iterator[Form]:
    """Yields what is measured, the most wanted first."""
    for case in _CASES:
        yield Form(case)
    for case in _PEER_CASES:
        yield Form(case)
        yield Form(case, "torch_remat")
    for case in _CASES:
        yield Form(case, tensor_float_32=True)
        yield Form(case, precision="mixed_bfloat16")
    for num_learners in (2, 4):
        yield Form("mnist", num_learners=num_learners)
    for case in _PEER_CASES:
        yield Form(case, "torch_compiled")


def _case_of(form: Form) -> Case:
    case = (_CASES | _PEER_CASES)[form.case]
    case = case._replace(
        num_learners=form.num_learners, precision=form.precision
    )
    if _DRY.value:
        widths = (3,) * len(case.widths or "123")
        if case.learner == "conv3_fc":
            widths = (3,) * 4
        case = case._replace(**_SMALL, widths=widths)
    return case


def measure(form: Form) -> dict[str, float]:
    """Returns seconds and bytes of one form; in a process of its own."""
    began = time.perf_counter()
    measurement = _torch if form.kind.startswith("torch") else _gtn_tf
    run, peak = measurement(form)
    run()
    first = time.perf_counter() - began
    seconds = []
    for _ in range(_NUM_CALLS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return {
        "first_call_seconds": first,
        "milliseconds": 1e3 * min(seconds),
        "milliseconds_per_learner": 1e3 * min(seconds) / form.num_learners,
        "peak_bytes": peak(),
    }


def _gtn_tf(form: Form) -> tuple:
    import tensorflow as tf

    from benchmarks.forms import tensorflow_form
    from gtn_tf.runtime.global_switches import configure_runtime

    configure_runtime(tensor_float_32=form.tensor_float_32)
    name = "side_by_side" if form.num_learners > 1 else "remat"
    python = tensorflow_form(name, _case_of(form)).python_function
    function = tf.function(python, jit_compile=True, autograph=False)
    has_gpu = bool(tf.config.list_logical_devices("GPU"))

    def peak() -> int | None:
        if not has_gpu:
            return None
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]

    return lambda: function()[0].numpy(), peak


def _torch(form: Form) -> tuple:
    import torch

    from benchmarks.torch_forms import torch_form

    run = torch_form(form.kind, _case_of(form))
    if not torch.cuda.is_available():
        return run, lambda: None

    def run_to_the_end() -> None:
        run()
        torch.cuda.synchronize()

    return run_to_the_end, torch.cuda.max_memory_allocated


def _in_a_process(form: Form, seconds: float) -> dict:
    command = [sys.executable, "-m", "benchmarks.accelerator"]
    command += [f"--child={json.dumps(form)}", f"--dry={_DRY.value}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {seconds:.0f} s"}
    if done.returncode:
        return {"error": done.stderr[-2000:]}
    return json.loads(done.stdout.splitlines()[-1])


def _main(mode: str, workdir: Path, seconds: float) -> str:
    """Runs the config `mnist`; returns what it wrote last."""
    command = [sys.executable, "-m", "gtn_tf.main", f"--mode={mode}"]
    command += [f"--workdir={workdir}", "--config=configs/mnist.py"]
    settings = {
        "checkpoint.every_steps": 10,
        "evaluation.sources": "('gtn',)",
        "evaluation.num_learners": 5,
    }
    if _DATA_DIR.value is not None:
        settings["dataset.data_dir"] = _DATA_DIR.value
    if _DRY.value:
        command[-1] = "--config=configs/digits.py"
        settings |= {"meta.num_steps": 4, "meta.validation_every": 2}
    command += [f"--config.{key}={value}" for key, value in settings.items()]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        text, _ = process.communicate(timeout=max(seconds, 1.0))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)  # it saves, and ends
        text, _ = process.communicate()
    return text[-2000:]


def main(argv: list[str]) -> None:
    """Measures, trains and evaluates until the time is over."""
    del argv
    if _CHILD.value is not None:
        print(json.dumps(measure(Form(*json.loads(_CHILD.value)))))
        return
    begin, total = time.perf_counter(), 60.0 * _MINUTES.value
    result = {"dry": _DRY.value, "forms": {}, **_environment()}

    def left(share: float) -> float:
        return begin + share * total - time.perf_counter()

    def keep() -> None:
        if _JSON.value is not None:
            from gtn_tf.runtime.files import write_json

            write_json(Path(_JSON.value), result)

    for form in forms():
        if left(_FORMS_END) < 0:
            result["forms"][form.name] = {"error": "no time was left"}
            continue
        seconds = left(_FORMS_END) + 30.0
        result["forms"][form.name] = _in_a_process(form, seconds)
        print(form.name, result["forms"][form.name], flush=True)
        keep()
    if _WORKDIR.value is not None:
        workdir = Path(_WORKDIR.value)
        result["pretrain"] = _main("pretrain", workdir, left(_TRAINING_END))
        keep()
        result["evaluate"] = _main("evaluate", workdir, left(1.0))
        evaluation = workdir / "evaluation.json"
        if evaluation.exists():
            result["evaluation"] = json.loads(evaluation.read_text())
        print(result["pretrain"], result["evaluate"], sep="\n", flush=True)
    keep()


def _environment() -> dict[str, object]:
    from benchmarks.machine import environment

    gpus = ""
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "-L"]
        gpus = subprocess.run(command, capture_output=True, text=True).stdout
    return {"gpus": gpus.splitlines(), **environment()}


if __name__ == "__main__":
    app.run(main)
