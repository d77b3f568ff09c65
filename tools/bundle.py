"""Makes the bundled teachers of kept results: `python -m tools.bundle`.

It needs the data sets (TFDS_DATA_DIR), whose means the metadata hold, and
writes `gtn_tf/export/bundled/` and docs/teachers.md. What was measured comes
from the kept results; nothing is typed by hand.
"""

import shutil
from pathlib import Path

from ml_collections import config_dict

from gtn_tf.config import FIELDS, default_config, flatten
from gtn_tf.experiments.ablation import PLAIN
from gtn_tf.experiments.any_network import (
    BEST_MULTIPLE,
    MEAN,
    RANK_RULES,
    REAL_EITHER,
)
from gtn_tf.experiments.any_ranking import FREE, SOURCES
from gtn_tf.experiments.any_ranking_trials import LONG_STEPS
from gtn_tf.export.bundled import bundled_folder, bundled_names
from gtn_tf.export.card import card_of
from gtn_tf.export.write import curriculum_metadata
from gtn_tf.runtime.files import read_json, replaced_folder, write_json
from gtn_tf.training.assembly import load_dataset

_ROOT = Path(__file__).parents[1]
_KEPT = _ROOT / "docs" / "results"
_BUNDLED = _ROOT / "gtn_tf" / "export" / "bundled"
_MOST_BYTES = 5 * 2**20
#: Name after "gtn:" -> folder of kept results.
_SOURCES = {
    "digits": "digits",
    "mnist": "mnist_cpu",
    "cifar10": "cifar10_cpu",
    "cifar10_16": "cifar10_16_nas",
    "digits_any": "digits_any",
    "mnist_any": "mnist_any",
    "cifar10_16_any": "cifar10_16_any",
}
#: Where a bundled teacher was then used, on cells of another space.
_USED_IN = {"cifar10_16": "nb201_methods"}
_PAGE = """\
# Bundled teachers

`gtn_tf.load("gtn:NAME")`, and wherever a teacher is asked for by path. Written
by `python -m tools.bundle` from [results](results/README.md); `teacher.card()`
gives the same text for any export. To rank networks of your own take one whose
name ends in `_any`: the others teach relatives of what they were made with.
"""


def bundle(name: str) -> None:
    """Writes one teacher."""
    kept = _KEPT / _SOURCES[name]
    config, environment = _kept_config(kept)
    metadata = curriculum_metadata(config, load_dataset(config))
    metadata |= {
        "precision": "float16",
        "meta_steps": config.meta.num_steps,
        "measured": _measured(kept, _USED_IN.get(name)),
        "versions": {
            "gtn_tf": environment["commit"],
            "tensorflow": environment["tensorflow"],
        },
        "kept_in": f"docs/results/{kept.name}",
    }
    training, search = kept / "training.json", kept / "search.json"
    unseen = kept / "any_network.json"
    if unseen.exists():
        first, *_ = read_json(unseen)["results"]
        metadata["meta_training_seconds"] = first["seconds"]
    elif training.exists():
        metadata["meta_training_seconds"] = read_json(training)["seconds"]
    elif search.exists():
        # Both have traced the graph of all cells; real data are not trained.
        gtn, real = (
            read_json(search)["evaluators"][name]["setup_seconds"]
            for name in ("gtn", "real:steps=20")
        )
        metadata["meta_training_seconds"] = gtn - real
    assert (kept / "curriculum.npz").stat().st_size <= _MOST_BYTES
    with replaced_folder(_BUNDLED / name) as folder:
        shutil.copy(kept / "curriculum.npz", folder)
        write_json(folder / "metadata.json", metadata)


def _kept_config(kept: Path) -> tuple[config_dict.ConfigDict, dict]:
    """Returns the config of a run, and where it ran."""
    saved = read_json(kept / "config.json")
    environment = saved.pop("environment")
    config = default_config()
    values = {k: v for k, v in flatten(saved) if k in FIELDS}
    with config.ignore_type():
        config.update_from_flattened_dict(values)
    return config, environment


def _measured(kept: Path, used_in: str | None) -> dict:
    rows, notes = _on_unseen(kept), []
    if (kept / "evaluation.json").exists():
        evaluation = read_json(kept / "evaluation.json")
        names = {"gtn": "after its steps", "real_tuned": "real data, tuned"}
        names |= {"real_subset": "a real subset, tuned"}
        rows += [
            {
                "what": f"test accuracy, {told}",
                "value": evaluation["sources"][source]["accuracy"],
                "ci95": evaluation["sources"][source]["ci95"],
                "over": f"{evaluation['sources'][source]['num_learners']} "
                f"fresh `{evaluation['learner']}`",
            }
            for source, told in names.items()
            if source in evaluation["sources"]
        ]
    if (kept / "search.json").exists():
        search = read_json(kept / "search.json")
        over = f"{search['num_architectures']} random cells"
        for name in ("gtn", "real", "real_subset", "params"):
            found = search["evaluators"].get(name)
            if found:
                rows.append(
                    {
                        "what": "rank correlation (Spearman) with "
                        f"`{search['truth']['evaluator']}`, by `{name}`",
                        "value": found["spearman"],
                        "ci95": found["spearman_ci95"],
                        "over": over,
                    }
                )
    elif not (kept / "any_ranking.json").exists():
        notes.append("How well it ranks networks was not measured.")
    if used_in:
        found = read_json(_KEPT / used_in / "search_methods.json")
        rows += [
            {
                "what": "rank correlation (Spearman) with "
                f"`{found['truth']}`, by `{name}`",
                "value": row["spearman"],
                "ci95": row["spearman_ci95"],
                "over": f"{found['ranking']['num_cells']} cells of "
                f"`{found['space']}`",
            }
            for name, row in found["ranking"]["evaluators"].items()
        ]
    return {"rows": rows, "notes": notes}


def _on_unseen(kept: Path) -> list[dict]:
    """Returns what networks learned and how they ranked that it never saw."""
    rows = []
    if (kept / "any_network.json").exists():
        found = read_json(kept / "any_network.json")
        means = {c: row[MEAN] for c, row in found["accuracies"].items()}
        num_networks = len(found["networks"])
        rows += [
            {
                "what": f"validation accuracy, {told}",
                "value": means[column]["mean"],
                "ci95": means[column]["ci95"],
                "over": f"{means[column]['num_seeds']} seeds, mean of "
                f"{num_networks} ordinary networks never seen",
            }
            for column, told in (
                (f"{PLAIN}: {RANK_RULES}", "after its steps as `rank` takes"),
                (f"{PLAIN}: {BEST_MULTIPLE}", "at the best multiple for each"),
                (REAL_EITHER[1], "real data, tuned for each"),
                (REAL_EITHER[0], "a real subset, tuned for each"),
            )
        ]
    if (kept / "any_ranking.json").exists():
        found = read_json(kept / "any_ranking.json")
        rows += [
            {
                "what": f"rank correlation (Spearman) with {LONG_STEPS} "
                f"real steps, by `{told}`",
                "value": found["rank_correlations"][name]["mean"],
                "ci95": found["rank_correlations"][name]["ci95"],
                "over": f"{len(found['networks'])} ordinary networks never "
                f"seen, {found['rank_correlations'][name]['num_seeds']} seeds",
            }
            for name, told in (
                ("gtn, accuracy", found["source"]),
                *((f"{name}, accuracy", name) for name in SOURCES[1:]),
                *((name, name) for name in FREE),
            )
        ]
    return rows


def main() -> None:
    """Writes all of them, and the page of their cards."""
    for name in _SOURCES:
        bundle(name)
    cards = [
        f"## `gtn:{name}`\n\n"
        + card_of(read_json(bundled_folder(name) / "metadata.json"))
        .partition("\n# ")[2]
        .partition("\n")[2]
        .strip()
        for name in bundled_names()
    ]
    page = "\n\n".join([_PAGE.strip(), *cards]) + "\n"
    (_ROOT / "docs" / "teachers.md").write_text(page)


if __name__ == "__main__":
    main()
