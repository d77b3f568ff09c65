import re
from pathlib import Path

import keras
import numpy as np
import pytest

import gtn_tf
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.exports import write_export

keras_tuner = pytest.importorskip("keras_tuner")
#: KerasTuner's own.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{text}")
    for text in ("currentThread", "getName", "__array__ implementation")
]

RNG = np.random.default_rng(0)
REAL = (RNG.integers(0, 256, (20, 8, 8, 1), np.uint8), np.arange(20) % 10)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "export"
    return gtn_tf.load(write_export(folder))


def hypermodel(hp):
    """With a softmax, and compiled, as for KerasTuner itself."""
    units = hp.Choice("units", [2, 4, 8, 512])
    if units == 512:
        raise ValueError("too many")
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(units, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    "kind", ["RandomSearch", "BayesianOptimization", "GridSearch"]
)
def test_trials_have_the_scores_of_rank(kind, teacher, tmp_path, caplog):
    tuner = getattr(gtn_tf.keras_tuner, kind)(
        hypermodel, teacher, max_trials=4, seed=1, directory=tmp_path
    )
    tuner.search(validation=REAL, verbose=0)
    assert "'rate': the network is the same" in caplog.text
    assert "'units'" not in caplog.text
    trials = tuner.oracle.get_best_trials(4)
    assert {t.hyperparameters["units"] for t in trials} <= {2, 4, 8}
    for trial in trials:
        (expected,) = gtn_tf.nas.rank(
            [lambda trial=trial: hypermodel(trial.hyperparameters)],
            teacher,
            validation=REAL,
        )
        assert trial.score == expected
    if kind != "GridSearch":  # of which four trials differ in the rate alone
        assert len({t.hyperparameters["units"] for t in trials}) > 1
    images = tuner.teacher.prepare(*REAL)[0]
    first, *_ = tuner.train_best(1, images, REAL[1], verbose=0, epochs=2)
    assert first.gtn_score == trials[0].score
    assert first.fitted.epoch == [0, 1]
    with pytest.raises(InputError, match="train_best"):
        tuner.get_best_models()


def test_what_no_trial_can_mend_ends_the_search(teacher, tmp_path):
    tuner = gtn_tf.keras_tuner.RandomSearch(
        hypermodel, teacher, max_trials=2, seed=0, directory=tmp_path
    )
    wrong = REAL[0][:, :4], REAL[1]
    with pytest.raises(InputError, match="images of data are"):
        tuner.search(validation=wrong, verbose=0)
    for positional, keywords, part in (
        ((), {"epochs": 3}, "'epochs'"),
        (REAL, {}, "2 by position"),
        ((), {"gtn": "gtn:digits"}, "'gtn'"),
    ):
        with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
            tuner.search(*positional, verbose=0, **keywords)
        for text in (part, "seeds, readout", "train_best"):
            assert text in str(caught.value)


def test_kept_trials_are_not_mixed_with_other_scores(teacher, tmp_path):
    def tuner(**more):
        return gtn_tf.keras_tuner.RandomSearch(
            *(hypermodel, more.pop("teacher", teacher)),
            **{"max_trials": 2, "seed": 0, "directory": tmp_path} | more,
        )

    tuner().search(data=REAL, verbose=0)
    again = tuner(max_trials=3)
    # The same in another order, and as said otherwise.
    mixed = RNG.permutation(20)
    again.search(
        data=(REAL[0][mixed], REAL[1][mixed]),
        verbose=0,
        seed=np.int64(0),
        rates=["normalized:1", "normalized:2.5"],
    )
    assert len(again.oracle.trials) == 3
    others = write_export(tmp_path / "other" / "export", num_steps=2)
    for more, keywords, part in (
        ({}, {"readout": "log_likelihood"}, "of other arguments;"),
        ({}, {"data": (255 - REAL[0], REAL[1])}, "of other data;"),
        ({"teacher": others}, {}, "of other teacher;"),
    ):
        with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
            tuner(**more).search(**{"data": REAL, "verbose": 0} | keywords)
        for text in (part, "overwrite=True"):
            assert text in str(caught.value)
    (tmp_path / "untitled_project" / "scored_by.json").unlink()
    with pytest.raises(InputError, match="of an unknown GTN"):
        tuner().search(data=REAL, verbose=0)
    anew = tuner(overwrite=True)
    anew.search(data=REAL, verbose=0, readout="log_likelihood")
    scores = [trial.score for trial in anew.oracle.trials.values()]
    assert all(score is None or score < 0 for score in scores)  # a failed one
    assert any(scores)


@pytest.mark.parametrize(
    ("of_what", "more", "part"),
    [
        (None, {}, "is a NoneType"),
        ("gtn:digits", {"objective": "val_loss"}, "objective is 'val_loss'"),
    ],
)
def test_a_tuner_of_nothing_is_refused(of_what, more, part, tmp_path):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        gtn_tf.keras_tuner.RandomSearch(
            hypermodel, of_what, max_trials=1, directory=tmp_path, **more
        )
    assert part in str(caught.value)


def test_the_optuna_example_searches(teacher, monkeypatch):
    optuna = pytest.importorskip("optuna")
    from examples import optuna_search

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna_search.search(2, str(teacher.path))
    assert len(study.trials) == 2
    assert study.best_value == max(t.value for t in study.trials)

    plain = optuna_search.build

    def second_is_refused(trial):
        if trial.number == 1:
            raise ValueError("too many")
        return plain(trial)

    monkeypatch.setattr(optuna_search, "build", second_is_refused)
    study = optuna_search.search(3, str(teacher.path))
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]


def test_python_of_the_page(monkeypatch, tmp_path):
    """All but the meta-training, which `tests/front` runs smaller."""
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[1] / "docs" / "python.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(blocks) == 3
    assert "gtn_tf.fit(" in blocks[0]
    compile(blocks[0], str(page), "exec")
    found = {}
    for block in blocks[1:]:
        exec(block.replace("max_trials=3", "max_trials=1"), found)
    assert found["model"].history.epoch == [0]
    images, label_ids = found["images"], found["label_ids"]
    real = found["teacher"].prepare(images, label_ids)
    _, accuracy = found["model"].evaluate(*real, verbose=0)
    assert accuracy > 0.8
    assert len(found["tuner"].oracle.trials) == 1
