"""Runs that are killed, starved and fed with nonsense; prints tried / failed.

    python -m tools.torture [--minutes=20] [--seed=0] [--kinds=values,kills]

A trial fails where a traceback is shown, a file that was whole is lost, a
process uses more than 4 GB or says nothing for minutes, or the same command
does not come to the same end afterwards. From a checkout; not in CI.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.helpers import tiny
from tools.borderline_values import borderline

#: Of a trial: what was tried, and what does it, '' or what is wrong.
Trial = tuple[str, Callable[[Path], str]]

_MOST_BYTES = 4 * 2**30
_MOST_SILENT_SECONDS = 180
_MOST_SECONDS = 30  # a longer run that says something is as it should be
_SEARCH = (
    *("--config.search.num_architectures=2", "--config.search.num_cells=0"),
    *("--config.search.channels=4", "--config.search.num_nodes=1"),
    "--config.search.evaluators=('real:steps=2','params')",
    *("--config.search.truth=real:steps=3", "--config.search.interpret=False"),
)
_RETRAIN = (
    "--config.retrain.genotype=GTN-fixed",
    *("--config.retrain.num_cells=0", "--config.retrain.channels=4"),
    *("--config.retrain.num_epochs=1", "--config.retrain.num_seeds=1"),
    "--config.retrain.batch_size=512",
)
_EVALUATE = (
    "--config.evaluation.sources=('gtn','noise')",
    "--config.evaluation.num_learners=2",
    "--config.evaluation.tuning_learning_rates=(0.1,)",
    "--config.evaluation.tuning_momenta=(0.5,)",
    "--config.evaluation.tuning_num_learners=1",
)
#: Mode -> its flags, and what it leaves when it is done.
MODES = {
    "pretrain": (("--config.meta.num_steps=4",), "export/metadata.json"),
    "export": ((), "export/metadata.json"),
    "evaluate": (_EVALUATE, "evaluation.json"),
    "search": (_SEARCH, "search/ranking.json"),
    "retrain": (_RETRAIN, "retrain/*/result.json"),
    "report": ((), "report.html"),
}


def _start(workdir: Path, mode: str, *more: str) -> tiny.Running:
    flags = MODES["pretrain"][0] + (
        MODES[mode][0] if mode != "pretrain" else ()
    )
    # Of a tuple that is given twice, both would be taken.
    by_key = {flag.partition("=")[0]: flag for flag in (*flags, *more)}
    return tiny.start_main(workdir, f"--mode={mode}", *by_key.values())


def _watch(running: tiny.Running, seconds: float = _MOST_SECONDS) -> str:
    """Waits; returns what is wrong with how it went, '' if nothing."""
    began = heard = time.monotonic()
    size = -1
    while running.is_running and (
        time.monotonic() - began < seconds
        or time.monotonic() - heard > _MOST_SILENT_SECONDS / 3
    ):
        time.sleep(0.2)
        if _resident_bytes(running.pid) > _MOST_BYTES:
            running.signal(signal.SIGKILL)
            running.finish()
            return "more than 4 GB"
        if len(running.written()) != size:
            size, heard = len(running.written()), time.monotonic()
        if time.monotonic() - heard > _MOST_SILENT_SECONDS:
            running.signal(signal.SIGKILL)
            running.finish()
            return "minutes without a word"
    if running.is_running:
        running.signal(signal.SIGKILL)
    done = running.finish()
    return _fault(done.errors)


def _fault(text: str) -> str:
    if "Traceback" not in text:
        return ""
    return text.strip().splitlines()[-1][:120]


def _resident_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/statm").read_text()
        return int(text.split()[1]) * 4096
    except (OSError, IndexError):  # it has just ended
        return 0


def _finish(workdir: Path, mode: str) -> str:
    """Runs a mode to its end; returns what is wrong, '' if nothing."""
    done = _start(workdir, mode).finish(600)
    if done.code != 0 or _fault(done.errors):
        return f"exit code {done.code}: {done.errors.strip()[-120:]}"
    if not list(workdir.glob(MODES[mode][1])):
        return f"no {MODES[mode][1]}"
    return ""


def values(rng: random.Random, finished: Path) -> Iterator[Trial]:
    """Yields single keys at the border of what they can be, and beyond."""
    trials = borderline()
    rng.shuffle(trials)
    for mode, setting, needs in trials:

        def run(
            workdir: Path,
            mode: str = mode,
            setting: str = setting,
            needs: tuple[str, ...] = needs,
        ) -> str:
            if mode != "pretrain":
                shutil.copytree(finished, workdir, dirs_exist_ok=True)
            return _watch(_start(workdir, mode, *needs, f"--config.{setting}"))

        yield f"{mode} {setting}", run


def kills(rng: random.Random, finished: Path) -> Iterator[Trial]:
    """Yields SIGKILL at random moments, and the same command again."""
    while True:
        mode = rng.choice([*MODES])
        seconds = rng.uniform(0.5, 15)

        def run(
            workdir: Path, mode: str = mode, seconds: float = seconds
        ) -> str:
            if mode != "pretrain":
                shutil.copytree(finished, workdir, dirs_exist_ok=True)
            running = _start(workdir, mode)
            time.sleep(seconds)
            if running.is_running:
                running.signal(signal.SIGKILL)
            running.finish()
            fault = _finish(workdir, mode)
            if fault or mode != "pretrain":
                return fault
            same = tiny.values_of(workdir) == tiny.values_of(finished)
            return "" if same else "other numbers than without the kill"

        yield f"{mode} killed after {seconds:.1f} s", run


def damaged_files(rng: random.Random, finished: Path) -> Iterator[Trial]:
    """Yields one file each that is cut, overwritten, a folder or a pipe."""
    files = [p for p in finished.rglob("*") if p.is_file()]
    damages = ("empty", "cut", "noise", "deep", "folder", "pipe")
    modes = ("pretrain", "export", "evaluate", "report", "search")
    while True:
        path, damage = rng.choice(files), rng.choice(damages)
        mode = rng.choice(modes)
        name = path.relative_to(finished)

        def run(
            workdir: Path,
            mode: str = mode,
            name: Path = name,
            damage: str = damage,
        ) -> str:
            shutil.copytree(finished, workdir, dirs_exist_ok=True)
            _damage(workdir / name, damage)
            return _watch(_start(workdir, mode))

        yield f"{mode}, {name} {damage}", run


def _damage(path: Path, damage: str) -> None:
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "pipe":
        subprocess.run(["mkfifo", str(path)], check=True)
    else:
        path.write_bytes(
            {
                "empty": b"",
                "cut": data[: len(data) // 2],
                "noise": data[: len(data) // 2] + b"\xff\x00" * 50,
                "deep": b"[" * 50_000,
            }[damage]
        )


def full_disk(rng: random.Random, finished: Path) -> Iterator[Trial]:
    """Yields a mode on a disk that is soon full, and again with more space."""
    while True:
        mode, free = rng.choice([*MODES]), rng.choice((0, 4, 16, 60, 120))

        def run(workdir: Path, mode: str = mode, free: int = free) -> str:
            size = free
            if mode != "pretrain":
                size += sum(
                    -(-p.stat().st_size // 4096) * 4 + 4
                    for p in finished.rglob("*")
                )
            mount = ["mount", "-t", "tmpfs", "-o"]
            options = [f"size={max(size, 4)}k", "tmpfs", str(workdir)]
            if subprocess.run(
                [*mount, *options], capture_output=True
            ).returncode:
                return "tmpfs cannot be mounted here"
            try:
                if mode != "pretrain":
                    shutil.copytree(finished, workdir, dirs_exist_ok=True)
                fault = _watch(_start(workdir, mode))
                options[0] = "remount,size=200m"
                subprocess.run([*mount, *options], check=True)
                return fault or _finish(workdir, mode)
            finally:
                subprocess.run(["umount", "-l", str(workdir)], check=True)

        yield f"{mode} with {free} KB", run


def vanished_workdir(rng: random.Random, finished: Path) -> Iterator[Trial]:
    """Yields a workdir that is moved away while a mode runs."""
    while True:
        mode, seconds = rng.choice([*MODES]), rng.uniform(2, 8)

        def run(
            workdir: Path, mode: str = mode, seconds: float = seconds
        ) -> str:
            shutil.copytree(finished, workdir, dirs_exist_ok=True)
            more = ("--config.meta.num_steps=400",) * (mode == "pretrain")
            running = _start(workdir, mode, *more)
            time.sleep(seconds)
            away = workdir.with_name("away")
            workdir.rename(away)
            return _watch(running)

        yield f"{mode}, workdir gone after {seconds:.1f} s", run


def two_processes(rng: random.Random, finished: Path) -> Iterator[Trial]:
    """Yields two processes at once in one workdir."""
    while True:
        mode = rng.choice([*MODES])

        def run(workdir: Path, mode: str = mode) -> str:
            if mode != "pretrain":
                shutil.copytree(finished, workdir, dirs_exist_ok=True)
            both = [_start(workdir, mode) for _ in range(2)]
            done = [running.finish(600) for running in both]
            faults = [_fault(one.errors) for one in done]
            codes = sorted(one.code for one in done)
            if any(faults) or codes not in ([0, 0], [0, 2]):
                return f"exit codes {codes} {''.join(faults)}"
            return _finish(workdir, mode)

        yield f"two of {mode}", run


KINDS = {
    "values": values,
    "kills": kills,
    "damaged_files": damaged_files,
    "full_disk": full_disk,
    "vanished_workdir": vanished_workdir,
    "two_processes": two_processes,
}


def main() -> int:
    """Tries for so long; returns 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    rows, faults = [], []
    with tempfile.TemporaryDirectory() as folder:
        finished = Path(folder) / "finished"
        fault = _finish(finished, "pretrain")
        if fault:
            raise SystemExit(f"the plain run fails: {fault}")
        for kind in kinds:
            rng = random.Random(f"{options.seed} {kind}")
            end = time.monotonic() + 60 * options.minutes / len(kinds)
            tried = failed = 0
            for name, run in KINDS[kind](rng, finished):
                if time.monotonic() > end:
                    break
                place = Path(folder) / "trial"
                place.mkdir()
                fault = run(place)
                tried, failed = tried + 1, failed + bool(fault)
                if fault:
                    faults.append(f"{kind}: {name}: {fault}")
                    print(faults[-1], file=sys.stderr, flush=True)
                for used in (place, place.with_name("away")):
                    shutil.rmtree(used, ignore_errors=True)
            rows.append((kind.replace("_", " "), tried, failed))
            print(
                f"{kind}: {tried} tried, {failed} failed",
                file=sys.stderr,
                flush=True,
            )
    print("| kind | tried | failed |\n|---|---|---|")
    for row in rows:
        print("| {} | {} | {} |".format(*row))
    print(json.dumps({"seed": options.seed, "faults": faults}))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
