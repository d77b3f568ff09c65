"""Tracing a step ahead of its first run, and how long that took before."""

import time
from pathlib import Path

import tensorflow as tf

from gtn_tf.runtime.files import read_json, write_json
from gtn_tf.runtime.progress import duration, say
from gtn_tf.types import InputError


def trace(
    what: str,
    step: tf.types.experimental.PolymorphicFunction,
    folder: Path,
    num_replicas: int,
) -> float:
    """Traces a step, so that progress times steps alone; says what it took.

    Args:
      what: names it.
      step: a function of one signature.
      folder: of one config; its `tracing.json` keeps the seconds, which are
        said where the step is traced again for as many replicas.
      num_replicas: that it is traced for.

    Returns:
      The seconds that it took.
    """
    path = folder / "tracing.json"
    before = _seconds_before(path, num_replicas)
    told = "" if before is None else f"; {duration(before)} the last time"
    say(f"tracing the {what} (once per process{told})")
    began = time.monotonic()
    step.get_concrete_function()
    seconds = time.monotonic() - began
    write_json(path, {"num_replicas": num_replicas, "seconds": seconds})
    return seconds


def _seconds_before(path: Path, num_replicas: int) -> float | None:
    if not path.exists():
        return None
    try:
        kept = read_json(path)
        if kept["num_replicas"] == num_replicas:
            return float(kept["seconds"])
    except (InputError, KeyError, TypeError, ValueError):
        pass  # damaged: it is an estimate only, and is written anew
    return None
