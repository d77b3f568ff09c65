import json
import os
import signal

import numpy as np
import pytest

from gtn_tf.experiments.any_ranking import (
    EXPERIMENT,
    FREE,
    READOUTS,
    SOURCES,
    _check_sources,
)
from gtn_tf.statistics.correlation import spearman
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.experiment_results import is_drawn

_NUM_NETWORKS = 3
_COMMAND = (
    "--mode=evaluate",
    "--config.evaluation.experiment=any_ranking",
    "--config.evaluation.num_seeds=2",
    "--config.evaluation.num_learners=2",
    "--config.evaluation.tuning_learning_rates=(0.1,)",
    "--config.evaluation.num_validation_images=100",
    "--config.meta.num_steps=2",
)


def _small():
    from gtn_tf.experiments import any_ranking_trials as module

    module.NUM_NETWORKS, module.LONG_STEPS = _NUM_NETWORKS, 20
    return module


def _killed_at_the_second_network():
    module = _small()
    as_ordinary_learner, built = module.as_ordinary_learner, []

    def build(*arguments):
        built.append(arguments)
        if len(built) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return as_ordinary_learner(*arguments)

    module.as_ordinary_learner = build


@pytest.mark.slow
def test_networks_by_a_few_steps_and_by_many(tmp_path):
    hook = _killed_at_the_second_network
    done = tiny.run_main(tmp_path, *_COMMAND, hook=hook)
    assert done.code == -signal.SIGKILL, done
    folder = tmp_path / "experiments" / "any_ranking"
    kept = {
        path.name: path.stat().st_mtime_ns
        for path in (folder / "networks").glob("*.json")
    }
    assert kept.keys() == {"0-0.json", "long-0.json"}
    done = tiny.run_main(tmp_path, *_COMMAND, hook=_small)
    assert done.code == 0, done
    files = {path.name: path for path in (folder / "networks").glob("*.json")}
    assert files.keys() == {
        f"{start}-{number}.json"
        for start in (0, 1, "long")
        for number in range(_NUM_NETWORKS)
    }
    for name, written in kept.items():
        assert files[name].stat().st_mtime_ns == written
    assert is_drawn(folder / "figure.png")
    result = json.loads((folder / "result.json").read_text())
    assert EXPERIMENT.table(result) in done.errors
    first, second = result["results"]
    assert first["truth"] == second["truth"] == result["truth"]
    assert all(0.1 < value <= 1 for value in result["truth"])
    assert len(set(result["networks"])) == _NUM_NETWORKS
    for name in FREE:
        row = result["rank_correlations"][name]
        for of_trial, found in zip(
            (first, second), row["of_each_seed"], strict=True
        ):
            values = of_trial["free"][name]
            assert None not in values, name
            np.testing.assert_allclose(
                found, spearman(np.array(values), np.array(result["truth"]))
            )
        # Other seeds, other initial values; not what is counted.
        assert (first["free"][name] == second["free"][name]) == (
            name == "params"
        )
    for source in SOURCES:
        for readout in READOUTS:
            # Other seeds, other initial values and images.
            scores = [r["scores"][source][readout] for r in (first, second)]
            assert len({value for row in scores for value in row}) > 3
            row = result["rank_correlations"][f"{source}, {readout}"]
            by_seed = [
                spearman(np.array(values), np.array(result["truth"]))
                for values in scores
            ]
            np.testing.assert_allclose(row["of_each_seed"], by_seed)
            np.testing.assert_allclose(row["mean"], np.mean(by_seed))


def test_trials_of_an_earlier_version_are_not_read(tmp_path):
    result = {
        "scores": {key: {} for key in SOURCES},
        "free": {key: [] for key in FREE},
    }
    _check_sources([result, result], tmp_path)
    for older in (
        {"scores": result["scores"], "params": []},
        {**result, "scores": {"gtn": {}, "real": {}}},
    ):
        with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
            _check_sources([result, older], tmp_path)
        assert "of an earlier version" in str(caught.value)


def test_the_best_rule_counts_of_those_that_never_diverged():
    from gtn_tf.experiments.any_ranking_scores import best

    values = [
        [{"accuracy": 0.5}, {"accuracy": 0.7}],
        [{"accuracy": 0.9}, None],
        [{"accuracy": 0.1}, {"accuracy": 0.2}],
    ]
    assert best(values, "accuracy") == pytest.approx(0.6)
    assert best([[None]], "accuracy") is None
