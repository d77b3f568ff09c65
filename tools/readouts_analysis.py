"""How well readouts rank, and what is gained by one over another.

Scores are the columns of scores.csv. Of every source and number of
initialisations that are read in all three ways there is the mean of the ranks
by them, too; and of all these the mean with the ranks of what is free.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gtn_tf.statistics import correlation
from gtn_tf.statistics.rank_mean import rank_mean

#: Scores of each GTN, or once, by the key of the architecture.
Columns = dict["Read", list[Mapping[str, float | None]]]

MEAN = "mean of ranks"
_KINDS = ("accuracy", "log_likelihood", "training_loss_sum")
_LAST_BATCH = ", last batch"
_FREE = (("naswot",), ("params", "naswot", "jacob_cov"))


class Read(NamedTuple):
    """What is read of what.

    Attributes:
      source: what networks were trained on, or what needs no training.
      readout: in words, '' without training.
      free: what else ranks, by the mean of the ranks of all; '' for nothing.
    """

    source: str
    readout: str = ""
    free: str = ""


def analyse(
    columns: Columns,
    truth: Mapping[str, float | None],
    spent: Mapping[tuple[str, str], float],
) -> dict[str, Any]:
    """Returns `rows`, of what ranks, and `differences` of two.

    Args:
      columns: of the same architectures.
      truth: their true scores.
      spent: seconds of an architecture by source and readout.
    """
    keys = sorted(truth)
    true_scores = _array(truth, keys)
    found = {
        read: correlation.mean_spearman(
            [_array(scores, keys) for scores in of_gtns], true_scores
        )
        for read, of_gtns in _with_means(columns).items()
    }
    return {
        "rows": [
            {
                **read._asdict(),
                "spearman": float(np.mean(points)),
                "ci95": correlation.interval95(drawn),
                "of_each_gtn": list(points),
                **_seconds(read, spent),
            }
            for read, (points, drawn) in found.items()
        ],
        "differences": [
            {
                "of": first._asdict(),
                "and": second._asdict(),
                **_difference(found[first], found[second]),
            }
            for first, second in _pairs(found)
        ],
    }


def _array(
    scores: Mapping[str, float | None], keys: Iterable[str]
) -> np.ndarray:
    return correlation.with_failures_last(scores[key] for key in keys)


def _with_means(columns: Columns) -> Columns:
    """Returns columns and means of ranks."""
    found = dict(columns)
    numbers = {_number(read.readout) for read in columns} - {None}
    for source in dict.fromkeys(read.source for read in columns):
        for number in sorted(numbers):
            parts = [_part(columns, source, k, number) for k in _KINDS]
            if all(parts):
                found[Read(source, f"{MEAN}, {number}")] = [
                    rank_mean(of_one) for of_one in zip(*parts, strict=True)
                ]
    for free in _FREE:
        if all(Read(name) in columns for name in free):
            others = [columns[Read(name)][0] for name in free]
            text = " + ".join(free)
            if len(free) > 1:
                found[Read("", free=text)] = [rank_mean(others)]
            found |= {
                read._replace(free=text): [
                    rank_mean([scores, *others]) for scores in of_gtns
                ]
                for read, of_gtns in found.items()
                if (read.readout and not read.free)
                or (read == Read("params") and free == _FREE[0])
            }
    return found


def _number(readout: str) -> int | None:
    """Returns how many initialisations are read, None without training."""
    found = re.search(r"\d+", readout)
    return int(found[0]) if found else None


def _part(columns: Columns, source: str, kind: str, number: int) -> list:
    """Returns one readout; of two accuracies that by the last batch."""
    text = f"{kind}, {number}"
    plain = columns.get(Read(source, text), [])
    return columns.get(Read(source, text + _LAST_BATCH), plain)


def _seconds(
    read: Read, spent: Mapping[tuple[str, str], float]
) -> dict[str, float]:
    """Returns those of one architecture, if there are any.

    A mean is read of one training: it takes what its longest part takes.
    """
    of_source = {k: v for k, v in spent.items() if k[0] == read.source}
    if read.readout.startswith(MEAN):
        number = _number(read.readout)
        parts = [v for (_, r), v in of_source.items() if _number(r) == number]
        return {"seconds": max(parts)} if parts else {}
    seconds = of_source.get((read.source, read.readout))
    return {} if seconds is None else {"seconds": seconds}


def _is_gtns(read: Read) -> bool:
    """Whether it is of a GTN, of whatever epochs or rates."""
    return re.match(r"gtn\b", read.source) is not None


def _pairs(found: Iterable[Read]) -> Iterable[tuple[Read, Read]]:
    """Yields what is compared: the GTN with its rivals, means with parts."""
    reads = list(found)
    for read in reads:
        for other in reads:
            is_rival = _is_gtns(read) and not _is_gtns(other)
            if is_rival and other == read._replace(source=other.source):
                yield read, other  # read alike
            elif (is_rival or (read.free and read.readout)) and (
                not other.readout and other.free in (read.free, "")
            ):
                yield read, other  # with what is free
            elif other == read._replace(free="") and read.free:
                yield read, other  # with its own part
            elif _is_gain(read, other):
                yield read, other


def _is_gain(read: Read, other: Read) -> bool:
    """Whether one source is read twice.

    By likelihood or the mean of all, not accuracy; or by more networks.
    """
    if read.free or other.free or read.source != other.source:
        return False
    if not (read.readout and other.readout):
        return False
    (what, number), (other_what, other_number) = (
        r.readout.split(", ", 1) for r in (read, other)
    )
    if number == other_number:
        return (what, other_what) in (
            ("log_likelihood", "accuracy"),
            (MEAN, "log_likelihood"),
        )
    return what == other_what and other_number == "1" and "batch" not in number


def _difference(
    first: tuple[Sequence[float], np.ndarray],
    second: tuple[Sequence[float], np.ndarray],
) -> dict[str, Any]:
    """Returns the paired difference of two means over GTNs."""
    apart = np.subtract(first[0], second[0])
    return {
        "spearman": float(np.mean(apart)),
        "ci95": correlation.interval95(first[1] - second[1]),
        "of_each_gtn": apart.tolist(),
    }
