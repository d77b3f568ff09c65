import json

import numpy as np
import pytest

from gtn_tf.experiments.ablation import EXPERIMENT, read_arm, read_arms
from gtn_tf.types import InputError
from tests.helpers import tiny


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("meta.batch_size=256", {"meta.batch_size": 256}),
        (
            "source=distillation; meta.learning_rate = 0.1",
            {"source": "distillation", "meta.learning_rate": 0.1},
        ),
        (
            "generator.channels=(8,4);inner.truncation_window=None",
            {"generator.channels": (8, 4), "inner.truncation_window": None},
        ),
        (
            "learner.name=mlp,conv2_fc;curriculum.learn_labels=True",
            {"learner.name": "mlp,conv2_fc", "curriculum.learn_labels": True},
        ),
    ],
)
def test_an_arm_is_read(text, changes):
    assert read_arm(text) == changes


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "evaluation.arms has ''; expected KEY=VALUE"),
        ("source=real;meta.batch_size", "has 'meta.batch_size'; expected"),
        ("meta.batch_size=", "expected KEY=VALUE"),
        ("meta.batch_size=2;", "expected KEY=VALUE"),
        ("meta.batch_size=2;meta.batch_size=4", "each once"),
        ("meta.batchsize=2", "did you mean 'meta.batch_size'"),
        ("source=real;seed=2", "has 'seed=2'; expected keys of"),
        ("dataset.name=mnist", "which all arms share"),
        ("evaluation.num_seeds=2", "expected keys of the meta-training"),
        ("search.num_nodes=3", "expected keys of the meta-training"),
        ("num_logical_devices=2", "expected keys of the meta-training"),
    ],
)
def test_what_is_no_arm(text, part):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        read_arm(text)
    assert part in str(info.value)


@pytest.mark.parametrize(
    ("arms", "parts"),
    [
        ((), ("no arms", "--config.evaluation.arms=")),
        (("meta.batch_size=0",), ("arm 'meta.batch_size=0'", "whole number")),
        (
            ("inner.optimizer=adam;learner.widths={[1]}",),
            ("arm 'inner.optimizer=adam, learner.widths={[1]}'", "a width"),
        ),
        (
            ("learner.name=mlp,conv2_fc;learner.widths=((4,3),)",),
            ("'learner.name=mlp,conv2_fc, ", "one tuple of widths"),
        ),
        (("meta.batch_size=16",), ("'meta.batch_size=16'", "as 'plain'")),
        (
            ("source=real; meta.batch_size=8", "meta.batch_size=8;source=real"),
            ("'meta.batch_size=8, source=real' is the same as 'source=real,",),
        ),
    ],
)
def test_what_are_no_arms(arms, parts):
    config = tiny.get_config()
    config.evaluation.arms = arms
    with pytest.raises(InputError, match=tiny.ONE_LINE) as info:
        read_arms(config)
    for part in parts:
        assert part in str(info.value)


def test_arms_of_all_kinds():
    genotype = "learner.genotype=conv1x1@0+identity@1:2/max2x2@0+conv3x3@1:2"
    cells = f"learner.name=cell;learner.widths=None;{genotype}"
    config = tiny.get_config()
    config.evaluation.arms = ("meta.num_steps=4", cells)
    found = read_arms(config)
    assert list(found) == ["plain", "meta.num_steps=4", cells]
    assert found["plain"] == {}
    assert found[cells]["learner.genotype"] == genotype.partition("=")[2]
    assert found[cells]["learner.widths"] is None


_COMMAND = (
    "--mode=evaluate",
    "--config.evaluation.experiment=ablation",
    "--config.evaluation.num_seeds=2",
    "--config.evaluation.num_learners=3",
)


def test_arms_are_checked_before_the_first_begins(tmp_path):
    done = tiny.run_main(
        tmp_path, *_COMMAND, "--config.evaluation.arms=('meta.batch_size=0',)"
    )
    tiny.assert_one_line(done, 2, "arm 'meta.batch_size=0'")
    assert not (tmp_path / "experiments").exists()


@pytest.mark.slow
def test_from_the_command_line(tmp_path):
    # Longer than the name of a folder may be.
    ops = "('identity','conv1x1','conv3x3','conv1x3_3x1','conv1x7_7x1')"
    arm = f"meta.batch_size=32;inner.learning_rate=0.2;learner.ops={ops}"
    arm += f";generator.dense_widths=({'7,' * 60})"
    assert len(arm) > 255
    command = (*_COMMAND, f'--config.evaluation.arms=("{arm}",)')
    assert tiny.run_main(tmp_path).code == 0
    done = tiny.run_main(tmp_path, *command)
    assert done.code == 0, done
    folder = tmp_path / "experiments" / "ablation"
    result = json.loads((folder / "result.json").read_text())
    assert EXPERIMENT.table(result) in done.errors
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    found = {(r["arm"], r["pair"]): r for r in result["results"]}
    assert set(found) == {(a, p) for a in ("plain", arm) for p in (0, 1)}
    # The workdir's own meta-training is `plain` with its seed.
    assert not (folder / "plain" / "0" / "run").exists()
    for (name, _), trial in found.items():
        expected = (32, 0.2) if name == arm else (16, 0.02)
        asked = trial["asked"]
        values = asked["meta.batch_size"], asked["inner.learning_rate"]
        assert values == expected
        assert len(trial["validation_accuracies"]) == 3
    means = {
        key: np.mean(trial["validation_accuracies"])
        for key, trial in found.items()
    }
    assert result["arms"][arm]["mean"] == pytest.approx(
        np.mean([means[arm, 0], means[arm, 1]])
    )
    assert result["differences"][arm]["mean"] == pytest.approx(
        np.mean([means[arm, p] - means["plain", p] for p in (0, 1)])
    )
