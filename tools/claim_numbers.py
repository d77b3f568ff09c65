"""The number of a claim and its 95 % interval, found in a kept result.

Each function returns what finds them in the JSON of such a result. No
TensorFlow here.
"""

from collections.abc import Callable
from statistics import fmean

from gtn_tf.statistics.intervals import mean_interval


def difference(name: str, value: str = "mean") -> Callable:
    """Of two arms or sources, as `differences` has it."""

    def find(kept: dict) -> tuple[float, list[float]]:
        row = kept["differences"][name]
        return row[value], row["ci95"]

    return find


def on_all(name: str) -> Callable:
    """Of two columns, on the mean of all networks."""

    def find(kept: dict) -> tuple[float, list[float]]:
        row = kept["differences"][name]["mean of all"]
        return row["mean"], row["ci95"]

    return find


def over_networks(ours: str, theirs: str) -> Callable:
    """Of one GTN seed: the interval is over the networks."""

    def find(kept: dict) -> tuple[float, list[float] | None]:
        rows = kept["accuracies"]
        gaps = [
            rows[ours][name]["mean"] - rows[theirs][name]["mean"]
            for name in kept["networks"]
        ]
        interval = mean_interval(gaps)
        return interval.mean, interval.ci95

    return find


def recipe_over_own(name: str) -> Callable:
    """Of the own recipe over another one; the contrary is kept."""

    def find(kept: dict) -> tuple[float, list[float]]:
        row = kept["chosen_by_minus_own"][name]
        low, high = row["ci95"]
        return -row["mean"], [-high, -low]

    return find


def readout(
    rival: str,
    free: str = "",
    source: str = "gtn",
    readout: str = "log_likelihood, 3",
) -> Callable:
    """Of a GTN and a rival, both by one readout, with what is free or not."""
    read = {"source": source, "readout": readout, "free": free}
    other = read | {"source": rival}
    untrained = [
        {"source": name, "readout": "", "free": of}
        for name, of in ((rival, ""), ("", rival))
    ]

    def find(kept: dict) -> tuple[float, list[float]]:
        row = next(
            row
            for row in kept["differences"]
            if row["of"] == read and row["and"] in (other, *untrained)
        )
        return row["spearman"], row["ci95"]

    return find


def picks(rival: str) -> Callable:
    """Of searches that each has led: means over strategies, by seed."""

    def find(kept: dict) -> tuple[float, list[float] | None]:
        found: dict[int, dict[str, list[float]]] = {}
        for row in kept["searches"]:
            of_seed = found.setdefault(row["seed"], {})
            of_seed.setdefault(row["evaluator"], []).append(row["pick"])
        gaps = [fmean(s["gtn"]) - fmean(s[rival]) for s in found.values()]
        interval = mean_interval(gaps)
        return interval.mean, interval.ci95

    return find


def speed_up(kept: dict) -> tuple[float, list[float]]:
    """Of one GTN step, in real steps."""
    return kept["speed_up"], kept["speed_up_ci95"]
