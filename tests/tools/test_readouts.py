"""What readouts are worth, of a search that still runs."""

import csv
import json

import pytest

from gtn_tf.nas.job_results import job_key
from tools import readouts

_LIKELIHOOD = "gtn:readout=log_likelihood,initializations=3"
#: Evaluator -> scores of five architectures; the last is not done by all.
_SCORES = {
    "table": (1.0, 2.0, 3.0, 4.0, 5.0),
    "naswot": (1.0, 2.0, 4.0, 3.0, 5.0),
    "params": (1.0, 2.0, 3.0, 4.0),
    "jacob_cov": (2.0, 1.0, 3.0, 4.0),
    "gtn": (2.0, 1.0, 4.0, 3.0),
    _LIKELIHOOD: (-4.0, -3.0, -2.0, -1.0),
    "gtn:readout=log_likelihood": (-4.0, -3.0, -2.0, -1.0),
    "gtn:readout=training_loss_sum": (-1.0, -2.0, -3.0, -4.0),
    "gtn:epochs=2": (1.0, 2.0, 3.0, 4.0),
    "real:steps=5": (4.0, 3.0, 2.0, 1.0),
}
#: Of another GTN.
_OTHER = {
    "gtn": (1.0, 2.0, 3.0, 4.0),
    _LIKELIHOOD: (-4.0, -3.0, -2.0, -1.0),
    "gtn:readout=log_likelihood": (-4.0, -3.0, -2.0, -1.0),
    "gtn:readout=training_loss_sum": (-1.0, -2.0, -3.0, -4.0),
    "gtn:epochs=2": (2.0, 1.0, 3.0, 4.0),
}


def _write_search(workdir, scores_by_evaluator):
    folder = workdir / "search" / "results"
    folder.mkdir(parents=True)
    search = {
        **{"truth": "table", "readout": "accuracy"},
        **{"num_initializations": 1, "statistics": "validation"},
    }
    (workdir / "config.json").write_text(json.dumps({"search": search}))
    for evaluator, scores in scores_by_evaluator.items():
        for number, score in enumerate(scores):
            job = {
                "genotype_key": f"{number:016x}",
                "evaluator": evaluator,
                "budget": {},
                "seed": 0,
                "gtn_digest": None,
            }
            result = {
                **{"key": job_key(**job), "genotype": f"cell {number}"},
                **{"score": score, "status": "ok", "reason": None},
                "seconds": {"build": 0.5, "trace": 0.0, "train": 2.0},
                "versions": {},
                **job,
            }
            path = folder / f"{result['key']}.json"
            path.write_text(json.dumps(result))


def test_readouts_of_what_all_evaluators_have_scored(tmp_path):
    workdirs, kept = [tmp_path / "one", tmp_path / "other"], tmp_path / "kept"
    for workdir, scores in zip(workdirs, (_SCORES, _OTHER), strict=True):
        _write_search(workdir, scores)
    readouts.write(workdirs, kept)
    readouts.write(workdirs, kept)  # the page's table is put in its place
    before = [path.read_bytes() for path in sorted(kept.glob("*.[jm]*"))]
    readouts.write([], kept)  # from what is kept
    after = [path.read_bytes() for path in sorted(kept.glob("*.[jm]*"))]
    assert len(before) == 3
    assert after == before

    found = json.loads((kept / "readouts.json").read_text())
    assert found["num_architectures"] == 4
    rows = {
        (row["source"], row["readout"], row["free"]): row
        for row in found["rows"]
    }
    likelihood = rows["gtn", "log_likelihood, 3", ""]
    assert likelihood["spearman"] == pytest.approx(1.0)
    accuracy = rows["gtn", "accuracy, 1", ""]
    assert accuracy["of_each_gtn"] == pytest.approx([0.6, 1.0])
    assert accuracy["spearman"] == pytest.approx(0.8)
    assert accuracy["seconds"] == 2.5
    real = rows["real, 5 steps", "accuracy, 1", ""]
    assert real["spearman"] == pytest.approx(-1.0)
    # Ranks (1, 2, 4, 3) and (2, 1, 4, 3), or (1, 2, 3, 4).
    mean = rows["gtn", "accuracy, 1", "naswot"]["of_each_gtn"]
    assert mean == pytest.approx([0.737865, 0.948683], abs=1e-5)
    # Ranks (2, 1, 4, 3), (1, 2, 3, 4), (4, 3, 2, 1), or the first upwards.
    mean = rows["gtn", "mean of ranks, 1", ""]
    assert mean["of_each_gtn"] == pytest.approx([0.6, 1.0])
    assert mean["seconds"] == 2.5
    free = "params + naswot + jacob_cov"
    assert rows["", "", free]["spearman"] == pytest.approx(1.0)
    # Sums of four ranks: (6, 6, 14, 14), or (5, 7, 13, 15).
    both = rows["gtn", "mean of ranks, 1", free]["of_each_gtn"]
    assert both == pytest.approx([0.894427, 1.0], abs=1e-5)
    differences = {
        tuple(tuple(row[name].values()) for name in ("of", "and")): row
        for row in found["differences"]
    }
    apart = differences[
        ("gtn", "accuracy, 1", ""), ("real, 5 steps", "accuracy, 1", "")
    ]
    assert apart["of_each_gtn"] == pytest.approx([1.6, 2.0])
    epochs = ("gtn, 2 epochs", "accuracy, 1", "")
    apart = differences[epochs, ("real, 5 steps", "accuracy, 1", "")]
    assert apart["of_each_gtn"] == pytest.approx([2.0, 1.8])
    assert (epochs, ("gtn", "accuracy, 1", "")) not in differences
    likelihood = ("gtn", "log_likelihood, 1", "")
    gain = differences[likelihood, ("gtn", "accuracy, 1", "")]
    assert gain["of_each_gtn"] == pytest.approx([0.4, 0.0])
    more = ("gtn", "log_likelihood, 3", ""), likelihood
    assert differences[more]["of_each_gtn"] == pytest.approx([0.0, 0.0])
    assert (more[0], ("gtn", "accuracy, 1", "")) not in differences
    mean = ("gtn", "mean of ranks, 1", "")
    gain = differences[mean, likelihood]
    assert gain["of_each_gtn"] == pytest.approx([-0.4, 0.0])
    with (kept / "scores.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [row["genotype"] for row in lines] == [f"cell {i}" for i in range(4)]
    for number, scores in enumerate((_SCORES, _OTHER)):
        column = f"gtn accuracy, 1 GTN {number}"
        assert [float(row[column]) for row in lines] == list(scores["gtn"])
    page = (kept / "README.md").read_text()
    assert page.count("difference of Spearman") == 1
    assert "| log_likelihood, 1 - accuracy, 1 | +0.20 " in page
    # The best readout alone is compared, and not the others.
    assert "| gtn log_likelihood, 3 - real" not in page
    assert "| gtn, 2 epochs accuracy, 1 - real, 5 steps accuracy, 1 |" in page
    assert (kept / "readouts.png").stat().st_size > 10_000
