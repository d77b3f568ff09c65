"""What the project says it is worth, each with a number that is kept.

A claim is a row: losses stand beside wins. No TensorFlow here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gtn_tf.runtime.files import read_json
from gtn_tf.statistics.intervals import shown
from tools.claim_numbers import (
    difference,
    on_all,
    over_networks,
    picks,
    readout,
    recipe_over_own,
    speed_up,
)
from tools.record_tables import measured


class Claim(NamedTuple):
    """One row.

    Attributes:
      text: what is compared, as "A over B".
      file: of the kept result, in docs/results.
      page: that tells more, in docs/results.
      find: that file's JSON -> (number, its 95 % interval).
      over: what the interval is over.
      is_ratio: no effect is 1, not 0.
      is_headline: stands in the README too.
    """

    text: str
    file: str
    page: str
    find: Callable[[dict], tuple[float, list[float] | None]]
    over: str
    is_ratio: bool = False
    is_headline: bool = True


def _unseen(title: str, ours: str, rival: str) -> str:
    return f"{title}, 14 unseen networks: {ours} over {rival}"


_EPOCHS = "gtn, 3 epochs"
_FREE = "params + naswot + jacob_cov"
_RIVALS = {
    "real_tuned": "fresh real images",
    "real_subset": "a real subset",
    "distillation": "distilled images",
}
_LEARNERS = "20 learners, one GTN"
_SEEDS = "3 GTN seeds"
#: Data set, kept result, what taught the networks, and over what.
_FOR_ANY = (
    ("digits", "digits_any", "GTN", "3 GTN seeds"),
    ("MNIST", "mnist_any", "distilled images", "3 distillations"),
    ("CIFAR-10 16x16", "cifar10_16_any", "distilled images", "3 distillations"),
)
#: An arm of `mnist_any_network`.
_DISTILLED = "source=distillation;meta.learning_rate=0.01;meta.num_steps=400"
_CELLS = "128 cells, one GTN"

CLAIMS = (
    *(
        Claim(
            f"{title}: test accuracy, GTN over {_RIVALS[name]}",
            f"{folder}/evaluation.json",
            "teaching.md",
            difference(f"gtn - {name}"),
            _LEARNERS,
            is_headline=is_headline,
        )
        for title, folder, name, is_headline in (
            ("digits", "digits", "real_tuned", False),
            ("digits", "digits", "real_subset", False),
            ("digits", "digits", "distillation", True),
            ("MNIST", "mnist_cpu", "real_tuned", True),
            ("MNIST", "mnist_cpu", "distillation", False),
            ("MNIST, T = 32", "mnist_cpu_t32", "real_tuned", False),
            ("CIFAR-10", "cifar10_cpu", "real_tuned", False),
            ("CIFAR-10", "cifar10_cpu", "real_subset", True),
        )
    ),
    Claim(
        "digits: real steps worth one GTN step",
        "digits/few_step.json",
        "few_step.md",
        speed_up,
        _SEEDS,
        is_ratio=True,
    ),
    Claim(
        "digits: learned order over fresh noise",
        "digits_curricula/curricula.json",
        "curricula.md",
        difference("full - none"),
        _SEEDS,
        is_headline=False,
    ),
    Claim(
        "digits: validation accuracy, GTN over real rates, 11 unseen learners",
        "digits_transfer/transfer.json",
        "transfer.md",
        recipe_over_own("real"),
        _SEEDS,
        is_headline=False,
    ),
    *(
        Claim(
            _unseen(title, f"{ours} {how}", f"{rival}, tuned"),
            f"{folder}/any_network.json",
            "any_network.md",
            on_all(f"plain: {column} - {name}, either update"),
            over,
            is_headline=(column, name) == ("rules of rank", "real_tuned"),
        )
        for title, folder, ours, over in _FOR_ANY
        for name, rival in (
            ("real_tuned", "fresh real images"),
            ("real_subset", "a real subset"),
        )
        for column, how in (
            ("rules of rank", "in `rank`"),
            ("best multiple", "at their best multiple"),
        )
    ),
    *(
        Claim(
            _unseen("MNIST", "GTN", rival),
            "mnist_any_network/any_network.json",
            "any_network.md",
            over_networks("plain: best multiple", name),
            "14 networks, one GTN",
            is_headline=False,
        )
        for name, rival in (
            ("real_tuned", "fresh real images"),
            ("real_subset", "a real subset"),
        )
    ),
    Claim(
        "MNIST: the same, distilled images over the GTN's",
        "mnist_any_network/any_network.json",
        "any_network.md",
        over_networks(f"{_DISTILLED}: best multiple", "plain: best multiple"),
        "14 networks, one distillation",
        is_headline=False,
    ),
    *(
        Claim(
            f"{title}: rank correlation, ordinary networks, {ours} over "
            f"{rival}",
            f"{folder}/any_ranking.json",
            "any_ranking.md",
            difference(f"gtn, accuracy - {name}"),
            f"40 networks, {over}",
            is_headline=False,
        )
        for title, folder, ours, over in _FOR_ANY
        if folder != "mnist_any"  # not run
        for name, rival in (
            ("real, accuracy", "as many real steps"),
            ("real_normalized, accuracy", "as many normalised real steps"),
            ("real_subset, accuracy", "as many steps on a real subset"),
            (
                "real_subset_normalized, accuracy",
                "as many normalised steps on a real subset",
            ),
            ("params", "params (free)"),
            ("naswot", "naswot (free)"),
        )
    ),
    *(
        Claim(
            f"CIFAR-10 16x16: rank correlation, GTN over {rival}",
            "cifar10_16_nas/search.json",
            "ranking.md",
            difference(f"gtn - {name}", "spearman"),
            _CELLS,
            is_headline=False,
        )
        for name, rival in (
            ("real:steps=20", "20 real steps"),
            ("real_subset", "20 steps on a real subset"),
            ("real:steps=180", "180 real steps"),
            ("naswot", "naswot (free)"),
        )
    ),
    *(
        Claim(
            f"NAS-Bench-201: rank correlation, GTN over {rival}",
            "nb201_readouts/readouts.json",
            "nb201_readouts/README.md",
            readout(name),
            "300 cells, 3 GTNs",
            is_headline=is_headline,
        )
        for name, rival, is_headline in (
            ("real, 20 steps", "20 real steps", False),
            ("real_subset, 20 steps", "20 steps on a real subset", False),
            ("real, 60 steps", "60 real steps", True),
            ("params", "params (free)", False),
            ("naswot", "naswot (free)", False),
        )
    ),
    *(
        Claim(
            f"NAS-Bench-201: rank correlation, GTN and naswot over {rival}",
            "nb201_readouts/readouts.json",
            "nb201_readouts/README.md",
            readout(name, "naswot"),
            "300 cells, 3 GTNs",
            is_headline=is_headline,
        )
        for name, rival, is_headline in (
            ("naswot", "naswot", True),
            ("real, 20 steps", "20 real steps and naswot", False),
            ("real_subset, 20 steps", "a real subset and naswot", False),
            ("real, 60 steps", "60 real steps and naswot", True),
        )
    ),
    *(
        Claim(
            "NAS-Bench-201, other cells: mean of ranks by three readouts, 3 "
            f"epochs of the GTN's steps over {rival}",
            "nb201_epochs/readouts.json",
            "nb201_epochs/README.md",
            readout(name, "", _EPOCHS, "mean of ranks, 3"),
            "300 cells, 3 GTNs",
            is_headline=False,
        )
        for name, rival in (
            ("real, 60 steps", "60 real steps"),
            ("real_subset, 60 steps", "60 steps on a real subset"),
        )
    ),
    *(
        Claim(
            "NAS-Bench-201, other cells: the same, GTN with params, naswot and "
            f"jacob_cov over {rival}",
            "nb201_epochs/readouts.json",
            "nb201_epochs/README.md",
            readout(name, _FREE, _EPOCHS, "mean of ranks, 3"),
            "300 cells, 3 GTNs",
            is_headline=False,
        )
        for name, rival in (
            (_FREE, "these alone"),
            ("real, 60 steps", "60 real steps and these"),
            ("real_subset, 60 steps", "a real subset and these"),
        )
    ),
    *(
        Claim(
            "CIFAR-10 16x16, log-likelihood: rank correlation, GTN over "
            f"{rival}",
            "cifar10_16_readouts/readouts.json",
            "cifar10_16_readouts/README.md",
            readout(name, readout="log_likelihood, 1"),
            "128 cells, 3 GTNs",
            is_headline=False,
        )
        for name, rival in (
            ("real, 20 steps", "20 real steps"),
            ("real_subset, 20 steps", "20 steps on a real subset"),
            ("real, 60 steps", "60 real steps"),
            ("naswot", "naswot (free)"),
        )
    ),
    *(
        Claim(
            "CIFAR-10 16x16: accuracy of the pick, searches led by the GTN "
            f"over those led by {rival}",
            "cifar10_16_methods/search_methods.json",
            "search_methods.md",
            picks(name),
            "3 seeds, one GTN",
            is_headline=False,
        )
        for name, rival in (
            ("real:steps=60", "60 real steps"),
            ("real_subset:steps=20", "20 steps on a real subset"),
            ("naswot", "naswot (free)"),
        )
    ),
)


def verdict(interval: list[float] | None, is_ratio: bool) -> str:
    """Says which way an interval leaves no doubt, if any."""
    nothing = 1.0 if is_ratio else 0.0
    if interval is None or interval[0] <= nothing <= interval[1]:
        return "undecided"
    return "ahead" if interval[0] > nothing else "behind"


def claims_table(folder: Path, pages: str, claims: Sequence[Claim]) -> str:
    """Returns Markdown: one row per claim.

    Args:
      folder: docs/results.
      pages: the way to it from where the table is; "" there.
      claims: of `CLAIMS`.
    """
    lines = [
        "| what | number, 95 % interval | | over | config, commit |",
        "|---|---|---|---|---|",
    ]
    machines: dict[str, dict] = {"num_cores": {}, "cpu": {}, "tensorflow": {}}
    for claim in claims:
        kept = read_json(folder / claim.file)
        number, interval = claim.find(kept)
        sign = "" if claim.is_ratio else "+"
        name, ran = claim.file.split("/")[0], measured(kept)
        for key, values in machines.items():
            values |= dict.fromkeys(str(run.get(key, "-")) for run in ran)
        commits = dict.fromkeys(run.get("commit") or "-" for run in ran)
        lines.append(
            f"| [{claim.text}]({pages}{claim.page}) "
            f"| {number:{sign}.3f} {shown(interval, 3)} "
            f"| {verdict(interval, claim.is_ratio)} | {claim.over} "
            f"| [{name}]({pages}{name}/config.json), "
            f"{', '.join(commits)} |"
        )
    cores, cpus, versions = (", ".join(sorted(v)) for v in machines.values())
    lines += ["", f"Measured on {cores} core(s); {cpus}; TF {versions}."]
    return "\n".join(lines)
