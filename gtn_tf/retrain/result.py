"""`retrain/NAME/result.json`: all seeds of one training; no TensorFlow here."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gtn_tf import __version__
from gtn_tf.runtime.files import read_json, write_json

FORMAT_VERSION = 1
_SECONDS_PER_DAY = 86400


def summarize(seeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns what the results of single seeds come to.

    Args:
      seeds: `seed_S/result.json`, at least one.

    Returns:
      Errors are shares of the test images. `test_error_std` is the sample's
      standard deviation, None of one seed. `device_days` are those of all
      seeds together.
    """
    errors = [seed["test_error"] for seed in seeds]
    device_seconds = sum(s["seconds"] * s["num_devices"] for s in seeds)
    return {
        "seeds": [seed["seed"] for seed in seeds],
        "test_error": errors,
        "test_error_mean": statistics.fmean(errors),
        "test_error_std": statistics.stdev(errors) if len(errors) > 1 else None,
        "seconds": [seed["seconds"] for seed in seeds],
        "device_days": device_seconds / _SECONDS_PER_DAY,
        "environment": seeds[-1]["environment"],
    }


def write_result(
    folder: Path, seeds: Sequence[int], facts: dict[str, Any]
) -> None:
    """Writes `folder/result.json` from those of the seeds.

    Args:
      folder: `retrain/NAME`.
      seeds: each has a `seed_S/result.json`.
      facts: what is the same for all of them.
    """
    results = [read_json(folder / f"seed_{s}" / "result.json") for s in seeds]
    write_json(
        folder / "result.json",
        {
            "format_version": FORMAT_VERSION,
            "gtn_tf": __version__,
            "name": folder.name,
            **facts,
            **summarize(results),
        },
    )
