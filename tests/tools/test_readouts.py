"""What readouts are worth, of a search that still runs."""

import csv
import json

import pytest

from gtn_tf.nas.job_results import job_key
from tools import readouts

#: Evaluator -> scores of five architectures; the last is not done by all.
_SCORES = {
    "table": (1.0, 2.0, 3.0, 4.0, 5.0),
    "naswot": (1.0, 2.0, 4.0, 3.0, 5.0),
    "gtn": (2.0, 1.0, 4.0, 3.0),
    "gtn:readout=log_likelihood,initializations=3": (-4.0, -3.0, -2.0, -1.0),
    "real:steps=5": (4.0, 3.0, 2.0, 1.0),
}


def _write_results(folder):
    folder.mkdir(parents=True)
    for evaluator, scores in _SCORES.items():
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
    workdir, kept = tmp_path / "workdir", tmp_path / "kept"
    _write_results(workdir / "search" / "results")
    config = {"search": {"truth": "table"}}
    (workdir / "config.json").write_text(json.dumps(config))
    readouts.write(workdir, kept)
    readouts.write(workdir, kept)  # the page's table is put in its place

    found = json.loads((kept / "readouts.json").read_text())
    assert found["num_architectures"] == 4
    spearman = {n: row["spearman"] for n, row in found["evaluators"].items()}
    likelihood = "gtn:readout=log_likelihood,initializations=3"
    assert spearman[likelihood] == pytest.approx(1.0)
    assert spearman["gtn"] == pytest.approx(0.6)
    assert spearman["real:steps=5"] == pytest.approx(-1.0)
    # Ranks (1, 2, 4, 3) and (2, 1, 4, 3).
    assert spearman["rank_mean:gtn+naswot"] == pytest.approx(0.737865, abs=1e-5)
    differences = found["differences"]
    assert differences[f"{likelihood} - gtn"]["spearman"] == pytest.approx(0.4)
    assert differences["gtn - real:steps=5"]["spearman"] == pytest.approx(1.6)
    with (kept / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["genotype"] for row in rows] == [f"cell {i}" for i in range(4)]
    assert [float(row["gtn"]) for row in rows] == list(_SCORES["gtn"])
    page = (kept / "README.md").read_text()
    assert page.count("difference of Spearman") == 1
    assert f"| {likelihood} | 2.5 | 0 |" in page
