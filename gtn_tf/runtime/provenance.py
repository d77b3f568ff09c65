"""Which code ran, and on what: so that a result can be traced back."""

import functools
import os
import platform
import subprocess
from pathlib import Path


@functools.cache
def commit() -> str | None:
    """Returns the short hash of the checkout that this package runs from.

    With a '+' where tracked files differ from it; None outside a checkout.
    """
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty=+"]
    try:
        done = subprocess.run(
            [*command, "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


#: Widest first. One name covers processors twice as fast as others.
_VECTOR_UNITS = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX"}


@functools.cache
def cpu_name() -> str:
    """Returns the processor's name as the system gives it.

    With its widest vector instructions, which its speed depends on, where the
    system lists them.
    """
    info = Path("/proc/cpuinfo")
    return cpu_name_in(info.read_text() if info.exists() else "")


def cpu_name_in(info: str) -> str:
    """Returns the name of the first processor in the text of /proc/cpuinfo."""
    pairs = (line.partition(":") for line in info.splitlines())
    found: dict[str, str] = {}
    for key, _, value in pairs:
        found.setdefault(key.strip(), value.strip())
    if "model name" not in found:
        return platform.processor()
    flags = found.get("flags", "").split()
    for flag, units in _VECTOR_UNITS.items():
        if flag in flags:
            return f"{found['model name']} ({units})"
    return found["model name"]


def num_usable_cores() -> int:
    """Returns how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
