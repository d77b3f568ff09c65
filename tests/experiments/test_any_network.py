import json
import os
import signal

import numpy as np
import pytest

from gtn_tf.experiments.any_network import EXPERIMENT, MEAN, REAL, _check_rules
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.experiment_results import is_drawn

_ARM = "inner.learning_rate=0.5"
_COMMAND = (
    "--mode=evaluate",
    "--config.evaluation.experiment=any_network",
    f"--config.evaluation.arms=('{_ARM}',)",
    "--config.evaluation.num_seeds=1",
    "--config.evaluation.num_learners=2",
    "--config.evaluation.tuning_learning_rates=(0.1,)",
    "--config.evaluation.tuning_momenta=(0.5,)",
    "--config.evaluation.tuning_num_learners=1",
    "--config.meta.num_steps=2",
)
_KEPT = ("mlp_batch_norm", "mlp")


def _few_networks():
    from gtn_tf.learners import held_out

    for name in {*held_out.HELD_OUT} - {*_KEPT}:
        del held_out.HELD_OUT[name]


def _killed_at_the_second_network():
    from gtn_tf.experiments import any_network_trials as module

    _few_networks()
    held_out_learner = module.held_out_learner

    def build(name, *shape):
        if name == _KEPT[1]:
            os.kill(os.getpid(), signal.SIGKILL)
        return held_out_learner(name, *shape)

    module.held_out_learner = build


def test_trials_that_have_tried_other_rates_are_not_averaged(tmp_path):
    own = {
        "status": "ok",
        "arm": "plain",
        "rules": {"best multiple": ["learned:1"]},
        "accuracies_on": {"own rates": {}, "real_tuned, either update": {}},
    }
    diverged = {"status": "diverged", "arm": "plain"}
    of_an_arm = {**own, "arm": "x", "accuracies_on": {"own rates": {}}}
    _check_rules([own, own, of_an_arm, diverged], tmp_path)
    for other in (
        {"status": "ok", "arm": "plain"},
        {**own, "accuracies_on": {"own rates": {}}},
    ):
        with pytest.raises(InputError, match="among different") as caught:
            _check_rules([own, other], tmp_path)
        assert caught.match(tiny.ONE_LINE)


@pytest.mark.slow
def test_held_out_networks_on_data_of_every_arm(tmp_path):
    hook = _killed_at_the_second_network
    done = tiny.run_main(tmp_path, *_COMMAND, hook=hook)
    assert done.code == -signal.SIGKILL, done
    folder = tmp_path / "experiments" / "any_network"
    tuning = folder / "tuning" / "0" / _KEPT[0] / "baselines"
    kept = tuning / "real_subset" / "tuning.json"
    written = kept.stat().st_mtime_ns
    done = tiny.run_main(tmp_path, *_COMMAND, hook=_few_networks)
    assert done.code == 0, done
    assert kept.stat().st_mtime_ns == written
    assert is_drawn(folder / "figure.png")
    result = json.loads((folder / "result.json").read_text())
    assert EXPERIMENT.table(result) in done.errors
    assert result["networks"] == list(_KEPT)
    of_plain, of_arm = result["results"]
    assert of_plain["how"]["real_subset"][_KEPT[1]].startswith(
        "constant rate 0.1, momentum 0.5"
    )
    setup = result["setup_seconds"]
    own, best = (setup[f"plain: {at}"] for at in ("own rates", "best multiple"))
    assert own == of_plain["seconds"] < best
    assert setup["real_subset"] == sum(
        of_plain["setup_seconds_on"]["real_subset"].values()
    )
    for source in REAL:
        tuned = folder / "tuning" / "0"
        for name in _KEPT:
            finals = [
                json.loads((at / "tuning.json").read_text())["finals"]
                for at in (
                    tuned / name / "baselines" / source,
                    tuned / name / "normalized" / "baselines" / source,
                )
            ]
            plain, by_norm = (max(row[3] for row in rows) for rows in finals)
            how = of_plain["how"][f"{source}, either update"][name]
            assert how.startswith("normalised updates") == (by_norm > plain)
            assert "constant rate 0.1, momentum 0.5: the best of" in how
        assert setup[f"{source}, either update"] > setup[source]
    # Real images are the same for all arms: once is enough.
    assert of_arm["accuracies_on"].keys() == {
        *("own rates", "best multiple", "rules of rank")
    }
    ways = of_plain["how"]["rules of rank"].values()
    assert {*ways} <= {
        f"normalised updates, multiple {number}" for number in ("1", "2.5")
    }
    columns = result["accuracies"]
    for column, trial, key in (
        ("plain: own rates", of_plain, "own rates"),
        (f"{_ARM}: best multiple", of_arm, "best multiple"),
        ("real_tuned", of_plain, "real_tuned"),
    ):
        means = []
        for name in _KEPT:
            values = trial["accuracies_on"][key][name]
            assert len(values) == 2
            assert all(0 <= value <= 1 for value in values)
            means.append(np.mean(values))
            np.testing.assert_allclose(columns[column][name]["mean"], means[-1])
        np.testing.assert_allclose(
            columns[column][MEAN]["mean"], np.mean(means)
        )
    gap = result["differences"]["plain: best multiple - real_subset"][MEAN]
    best, subset = "plain: best multiple", "real_subset"
    np.testing.assert_allclose(
        gap["mean"],
        columns[best][MEAN]["mean"] - columns[subset][MEAN]["mean"],
        atol=1e-12,
    )
