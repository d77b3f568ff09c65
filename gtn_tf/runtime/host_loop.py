"""The loop of a training on the host: step, log, save, stop on a signal.

Meta-training and retraining share it. What a step does, and what its row
holds, is the caller's; everything random must derive from (seed, step), so
that a resumed training goes on bit for bit as if it had not been stopped.

Of several workers the chief alone writes. The others take the same steps, and
wait for it where all agree to stop.
"""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from gtn_tf.runtime.checkpoints import Checkpoints
from gtn_tf.runtime.devices import Devices
from gtn_tf.runtime.progress import Progress
from gtn_tf.runtime.row_log import MetricsLog
from gtn_tf.runtime.run_log import HParams, RunLog

#: Names of a row that are no curve.
_NO_SCALARS = ("step", "epoch", "seconds")


@dataclasses.dataclass(frozen=True)
class LoopSpec:
    """What is the same for all steps.

    Attributes:
      num_steps: the last step's number, counted from 1.
      save_every: steps between checkpoints.
      logs: of `run_log.find_logs`.
      unit: what progress calls a step.
      shown: values of a row that progress shows.
      hparams: what logs compare runs by.
    """

    num_steps: int
    save_every: int
    logs: Sequence[type[RunLog]]
    unit: str
    shown: Sequence[str]
    hparams: HParams = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class LoopState:
    """What a loop resumes from.

    Attributes:
      step: [] int64 variable, steps done.
      seconds: [] float64 variable, of all processes so far.
      checkpoints: of these two and all else that changes.
    """

    step: tf.Variable
    seconds: tf.Variable
    checkpoints: Checkpoints


class HostLoop:
    """Takes the steps that are left; the clock starts here.

    Args:
      spec: see there.
      state: as the newest checkpoint left it.
      folder: for `metrics.jsonl` and logs.
      devices: whose processes stop together.
    """

    def __init__(
        self, spec: LoopSpec, state: LoopState, folder: Path, devices: Devices
    ) -> None:
        self._spec, self._state = spec, state
        self._folder, self._devices = folder, devices
        self._began = time.monotonic() - float(state.seconds.numpy())

    def run(
        self,
        take_step: Callable[[int], dict[str, float] | None],
        caught: list[int],
        check: Callable[[int], None] | None = None,
        draw: Callable[[int, Sequence[RunLog]], None] | None = None,
    ) -> int:
        """Goes on to the last step, or to a signal; the last state is saved.

        Args:
          take_step: step, from 1 -> its row, None for a step without.
          caught: of `interrupts.catch_signals`.
          check: raises where the state of a step must not be saved.
          draw: called with a step that has a row, once it is written, and
            the open logs.

        Returns:
          The number of the signal that stopped it, on whichever worker, or 0.
        """
        spec, state, devices = self._spec, self._state, self._devices
        done, stopped_by = int(state.step.numpy()), 0
        with contextlib.ExitStack() as stack:
            record = None
            if devices.is_chief:
                record = _Record(spec, self._folder, done, stack)
            for step in range(done + 1, spec.num_steps + 1):
                row = take_step(step)
                if record is not None:
                    if row is not None:
                        row = {"step": step, **row, "seconds": self._seconds()}
                        record.add(row)
                    record.show(step)
                    if row is not None and draw is not None:
                        draw(step, record.logs)
                state.step.assign(step)
                # The chief comes late, having validated; all leave together.
                stopped_by = max(devices.gather(next(iter(caught), 0)))
                is_last = step == spec.num_steps
                is_saved = is_last or is_due(step, spec.save_every)
                if devices.is_chief and (is_saved or stopped_by):
                    if check is not None:
                        check(step)
                    state.seconds.assign(self._seconds())
                    record.sync()  # rows reach as far as the checkpoint
                    state.checkpoints.save(step)
                if stopped_by:
                    break
        devices.gather(0)  # None ends before the chief has saved.
        return stopped_by

    def _seconds(self) -> float:
        return time.monotonic() - self._began


class _Record:
    """What the chief writes: rows, curves and progress."""

    def __init__(
        self,
        spec: LoopSpec,
        folder: Path,
        done: int,
        stack: contextlib.ExitStack,
    ) -> None:
        self._names = spec.shown
        self._shown: dict[str, float] = {}
        self._before: tuple[int, float] | None = None  # step, seconds
        self._log = MetricsLog(folder / "metrics.jsonl", done)
        stack.callback(self._log.close)
        self.logs: list[RunLog] = []
        for kind in spec.logs:  # before the bar: they may print
            self.logs.append(kind(folder, spec.hparams))
            stack.callback(self.logs[-1].close)
        self._progress = Progress(spec.num_steps, done, unit=spec.unit)
        stack.callback(self._progress.close)

    def add(self, row: dict[str, float]) -> None:
        self._log.append(row)
        self._shown |= {name: row[name] for name in self._names if name in row}
        if self.logs:
            curves = {k: v for k, v in row.items() if k not in _NO_SCALARS}
            step, seconds = row["step"], row["seconds"]
            if self._before is not None and seconds > self._before[1]:
                passed = seconds - self._before[1]
                curves["steps_per_second"] = (step - self._before[0]) / passed
            self._before = step, seconds
            for log in self.logs:
                log.scalars(step, curves)

    def sync(self) -> None:
        self._log.sync()

    def show(self, step: int) -> None:
        self._progress.update(step, **self._shown)


def is_due(step: int, every: int) -> bool:
    """Whether something is due that is done every so many steps, or never."""
    return every > 0 and step % every == 0


def stop_message(number: int, what: str) -> str:
    """Returns the line on a signal that stopped a loop; `what` was saved."""
    name = signal.Signals(number).name
    return f"{name}: saved {what}; the same command resumes there"
