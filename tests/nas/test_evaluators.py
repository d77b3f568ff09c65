import csv
import weakref

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from gtn_tf.config.evaluator_names import (
    EVALUATORS,
    READOUTS,
    EvaluatorName,
    parse_evaluator,
)
from gtn_tf.datasets.batches import device_split
from gtn_tf.export.load import load
from gtn_tf.layers import BatchNormalization
from gtn_tf.layers.initial_values import draw_initial_values, find_initializers
from gtn_tf.layers.weight_norm import WeightNormLayer
from gtn_tf.learners.functional import Learner, from_keras
from gtn_tf.meta.evaluation import CHUNK_SIZE, accuracy
from gtn_tf.meta.inner_loop import inner_step
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.nas.evaluators import real, zero_cost
from gtn_tf.nas.evaluators.registry import EVALUATORS as MADE
from gtn_tf.nas.evaluators.table import read_scores
from gtn_tf.nas.evaluators.trained import Trained
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.training import Trainer, teacher_steps
from gtn_tf.nas.worker import Worker
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.runtime.graph_rewriting import repeatable_graphs
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.search_spaces.cells import search_networks
from gtn_tf.search_spaces.cells.cost import cell_network_cost
from gtn_tf.search_spaces.cells.encoded_genotype import encode
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.interpreter import CellInterpreter
from gtn_tf.search_spaces.cells.network import FORMS, build_cell_network
from gtn_tf.search_spaces.cells.space import SearchSpace
from gtn_tf.types import (
    DivergenceError,
    InputError,
    LearnerState,
)
from tests.helpers import exports, tiny

_SPACE = SearchSpace(1)
_GENOTYPES = [_SPACE.sample((0, i)).canonical() for i in range(2)]


def _worker(*evaluators, truth="flops", should_stop=lambda: False, **search):
    config = tiny.get_config()
    config.inner.num_steps = 3
    config.search.num_cells, config.search.channels = 0, 2
    config.search.truth_batch_size = 20
    config.search.interpret = False
    given = {"evaluators": evaluators, "truth": truth, **search}
    with config.ignore_type():
        config.search.update(given)
    return Worker(search_spec(config), should_stop)


def _do(worker, evaluator, genotype=_GENOTYPES[0], teacher=None):
    return worker.do(
        {
            "genotype": genotype.to_text(),
            "evaluator": evaluator,
            "seed": 0,
            "teacher": teacher,
        }
    )


def _evaluate(evaluator, *arguments, **search):
    return _do(_worker(evaluator, **search), evaluator, *arguments)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return str(exports.write_export(tmp_path_factory.mktemp("gtn") / "export"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gtn", ("gtn", None, None, None)),
        ("real", ("real", None, None, None)),
        ("real:steps=128", ("real", "steps", 128, None)),
        ("real:epochs=0.5", ("real", "epochs", 0.5, None)),
        ("real_subset:seconds=5", ("real_subset", "seconds", 5, None)),
        ("table", ("table", None, None, None)),
        ("table:a=b/c:d.csv", ("table", None, None, "a=b/c:d.csv")),
        ("table:a.csv:zen", ("table", None, None, "a.csv", "zen")),
    ],
)
def test_names(text, expected):
    assert parse_evaluator(text) == EvaluatorName(text, *expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ralph", "jacob_cov"),
        ("", "expected one of gtn"),
        ("table:", "table:PATH.csv"),
        ("table:scores.txt", "table:PATH.csv"),
        ("gtn:steps=3", "above 0, readout=accuracy or"),
        ("real:minutes=3", "seconds=x"),
        ("real:steps=1.5", "steps=n"),
        ("real:steps=0", "above 0"),
        ("real:epochs=0.0", "above 0"),
        ("real:", "steps=n"),
        ("real:steps=3,epochs=1", "twice"),
        ("gtn:readout=loss", "log_likelihood or"),
        ("gtn:initializations=0", "at least 1"),
        ("naswot:readout=accuracy", "'naswot' alone"),
        ("ghn:readout=training_loss_sum", "readout=accuracy or log_likel"),
        ("supernet:initializations=2", "expected readout=accuracy or"),
        ("gtn:rate_factor=0", "rate_factor=x, above 0"),
        ("real:rate_factor=2", "steps=n"),
        ("gtn:epochs=1.5", "epochs=n \\(whole"),
        ("rank_mean:gtn", "two or more different"),
        ("rank_mean:gtn+gtn", "two or more different"),
        ("rank_mean:gtn+rank_mean:real+params", "two or more different"),
        ("rank_mean:gtn+ralph", "'ralph'"),
    ],
)
def test_other_names_are_refused(text, reason):
    with pytest.raises(InputError, match=reason) as caught:
        parse_evaluator(text)
    assert str(caught.value).count(";") == 2


def test_every_name_has_an_evaluator():
    assert MADE.keys() == EVALUATORS.keys()


def test_options_of_names():
    name = parse_evaluator("real:steps=5,initializations=2")
    assert (name.number, name.num_initializations, name.readout) == (5, 2, None)
    text = "rank_mean:gtn:readout=log_likelihood+naswot"
    parts = parse_evaluator(text).parts
    assert [part.kind for part in parts] == ["gtn", "naswot"]
    assert parts[0].readout == "log_likelihood"


def test_what_can_be_read_of_one_training(monkeypatch):
    """Three readouts and more initialisations ask for no training twice."""
    trained = []

    class Counted(Trainer):
        def train(self, *arguments):
            trained.append(super().train(*arguments))
            return trained[-1]

    monkeypatch.setattr("gtn_tf.nas.evaluators.trained.Trainer", Counted)
    options = [f"readout={readout}" for readout in READOUTS]
    names = ["real", *(f"real:{text}" for text in options)]
    names += [f"real:{text},initializations=2" for text in options]
    worker = _worker(*names)
    scores = [_do(worker, name)["score"] for name in names]
    assert scores[0] == scores[names.index("real:readout=log_likelihood")]
    assert len(trained) == 2
    # Alone, the second initialisation is no other.
    assert _evaluate(names[-1])["score"] == scores[-1]
    sums = [learner.training_loss_sum for learner in trained]
    assert sums[0] != sums[1]
    assert scores[3] == -sums[0]
    assert scores[7] == pytest.approx(-np.mean(sums))


def test_readouts_are_those_of_the_losses_and_logits_by_hand(teacher):
    dataset = _worker("gtn").session.data.dataset
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    kernel = np.random.default_rng(0).normal(size=(64, 10)).astype("float32")
    bias = np.zeros(10, "float32")
    trainer = Trainer(
        lambda: from_keras(lambda: model),
        SGD,
        device_split(dataset, "validation"),
    )
    params = [tf.constant(kernel), tf.constant(bias)]
    state = LearnerState(params, [], SGD.init(params))
    steps = (teacher_steps(load(teacher)) * 4)[:7]
    trained = trainer.train(state, steps, looks=["last_batch"])
    images, ids = dataset.validation
    normalized = (images / 255 - dataset.mean) / dataset.std

    def log_probabilities():
        logits = normalized.reshape(-1, 64) @ kernel + bias
        return scipy.special.log_softmax(logits, axis=1)

    def log_likelihood(number=None):
        log_p = log_probabilities()[:number]
        return np.mean(log_p[np.arange(len(log_p)), ids[:number]])

    losses, moments, along = [], [0.0, 0.0], []
    kernel, bias = kernel.astype(np.float64), bias.astype(np.float64)
    for images, labels, rates in steps:
        flat = images.numpy().reshape(10, 64).astype(np.float64)
        log_p = scipy.special.log_softmax(flat @ kernel + bias, axis=1)
        losses.append(-np.mean(np.sum(labels.numpy() * log_p, 1)))
        slope = (np.exp(log_p) - labels.numpy()) / 10
        slopes = [flat.T @ slope, slope.sum(0)]
        momentum = float(rates["momentum"])
        moments = [
            momentum * m + s for m, s in zip(moments, slopes, strict=True)
        ]
        kernel = kernel - float(rates["learning_rate"]) * moments[0]
        bias = bias - float(rates["learning_rate"]) * moments[1]
        if len(losses) in (5, 7):
            along.append(log_likelihood(1000))
    expected = {
        "accuracy": np.mean(log_probabilities().argmax(1) == ids),
        "log_likelihood": log_likelihood(),
        "log_likelihood_along": np.mean(along),
        "training_loss_sum": -np.sum(losses),
    }
    assert expected.keys() == READOUTS.keys()
    for name, value in expected.items():
        read = trainer.read(trained, name)
        assert read == pytest.approx(value, rel=1e-4), name


def test_statistics_of_the_validation_images_by_hand():
    worker = _worker("real")
    dataset = worker.session.data.dataset
    norm, dense = BatchNormalization(), keras.layers.Dense(10)
    flat = keras.layers.Flatten()
    model = keras.Sequential([keras.Input((8, 8, 1)), norm, flat, dense])
    trainer = Trainer(
        lambda: from_keras(lambda: model),
        SGD,
        device_split(dataset, "validation"),
    )
    state = trainer.initial_state(root_seed(0))
    # As if the last batch had been another one.
    statistics = [value + 2.0 for value in state.statistics]
    state = state._replace(statistics=statistics)
    found = trainer.validate(state, "validation")

    images, ids = dataset.validation
    assert len(ids) <= CHUNK_SIZE
    values = ((images / 255 - dataset.mean) / dataset.std).astype(np.float64)
    values = (values - values.mean()) / np.sqrt(values.var() + norm.epsilon)
    shapes = {tuple(value.shape): value.numpy() for value in state.params}
    logits = values.reshape(len(ids), -1) @ shapes[64, 10] + shapes[10,]
    log_p = scipy.special.log_softmax(logits, axis=1)
    expected = np.mean(log_p[np.arange(len(ids)), ids])
    assert found["log_likelihood"] == pytest.approx(expected, rel=1e-4)
    assert found != trainer.validate(state)


def test_a_look_on_the_way_changes_no_training(teacher):
    along = "log_likelihood_along"
    names = (
        "gtn",
        f"gtn:readout={along}",
        f"gtn:readout={along},statistics=validation",
        "gtn:statistics=validation",
    )
    worker = _worker(*names, readout="accuracy")
    found = [_do(worker, name, teacher=teacher) for name in names]
    alone = _do(_worker("gtn", readout="accuracy"), "gtn", teacher=teacher)
    assert found[0]["score"] == alone["score"]
    assert len({one["score"] for one in found}) == 4
    assert all(one["seconds"]["validate"] > 0 for one in found)
    budgets = [worker.evaluators[name].budget() for name in names]
    assert budgets[2] == budgets[0] | {
        **{"readout": along, "statistics": "validation"}
    }


def test_a_budget_of_seconds_is_not_spent_on_looks_of_others(monkeypatch):
    """Only on those that the evaluator itself reads."""
    looks = {}

    def train(self, state, batches, asked=()):
        looks[self] = asked
        raise DivergenceError("not trained")

    monkeypatch.setattr(Trainer, "train", train)
    along = "readout=log_likelihood_along"
    names = ("real:seconds=5", "real", f"real:{along}", f"real_subset:{along}")
    worker = _worker(*names, f"real:seconds=5,{along}", readout="accuracy")
    found = {}
    for name in worker.evaluators:
        if name != worker.spec.truth:
            looks.clear()
            with pytest.raises(DivergenceError):
                _do(worker, name)
            found[name] = [*looks.values()]
    taken = [("last_batch",)]
    assert found == {
        "real:seconds=5": [()],
        "real": taken,  # one training with the next
        f"real:{along}": taken,
        f"real_subset:{along}": taken,
        f"real:seconds=5,{along}": taken,
    }


def test_a_factor_of_the_rates(teacher):
    names = "gtn", "gtn:rate_factor=2"
    worker = _worker(*names)
    plain, twice = (_do(worker, name, teacher=teacher) for name in names)
    assert plain["score"] != twice["score"]
    budgets = [worker.evaluators[name].budget() for name in names]
    assert budgets[1] == budgets[0] | {"rate_factor": 2.0}
    rates = [
        [float(data.hyperparameters["learning_rate"]) for data in steps]
        for steps in (teacher_steps(load(teacher), f) for f in (1.0, 2.0))
    ]
    np.testing.assert_allclose(rates[1], 2 * np.array(rates[0]), rtol=1e-6)


def test_epochs_of_an_export(teacher, monkeypatch):
    names = "gtn:epochs=2", "gtn"
    worker = _worker(*names)
    seen = []

    def train(self, job, session, optimizer, batches):
        seen.append(list(batches(job.seed)))
        return {}

    monkeypatch.setattr(Trained, "train", train)
    for name in names:
        _do(worker, name, teacher=teacher)
    twice, once = seen
    assert len(once) == 3
    assert [id(data) for data in twice] == 2 * [id(data) for data in once]
    budgets = [worker.evaluators[name].budget() for name in names]
    assert budgets[0] == budgets[1] | {"epochs": 2}


def test_statistics_of_all_evaluators_are_the_searchs():
    names = "gtn", "gtn:statistics=last_batch"
    worker = _worker(*names, statistics="validation")
    found = [worker.evaluators[name].budget() for name in names]
    assert found[0]["statistics"] == "validation"
    assert "statistics" not in found[1]


def test_a_readout_names_its_results_and_accuracy_does_not():
    def budgets(**search):
        evaluators = _worker("real", truth="real:steps=1", **search).evaluators
        return [evaluator.budget() for evaluator in evaluators.values()]

    plain, truth = budgets(readout="accuracy")
    assert not {"readout", "num_initializations"} & (plain.keys() | truth)
    changed = {"readout": "log_likelihood"}
    assert budgets() == [plain | changed, truth]
    changed["num_initializations"] = 2
    assert budgets(num_initializations=2) == [plain | changed, truth]


def _train_by_hand(genotype, teacher, dataset):
    """Builds and trains the network of a genotype, in Keras, eagerly."""
    model = build_cell_network(genotype, 0, 2, (8, 8, 1), 10, FORMS["search"])
    seed = fold(root_seed(0), Purpose.SEARCH)
    drawn = draw_initial_values(
        model, find_initializers(model), fold(seed, Purpose.WEIGHTS)
    )
    for variables, values in zip(
        (model.trainable_variables, model.non_trainable_variables),
        drawn,
        strict=True,
    ):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    moments = [np.zeros(v.shape, np.float32) for v in model.trainable_variables]
    for images, labels, rate, momentum in load(teacher).batches():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                keras.losses.categorical_crossentropy(
                    labels, model(images, training=True), from_logits=True
                )
            )
        variables = [v.value for v in model.trainable_variables]
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        for i, variable in enumerate(model.trainable_variables):
            moments[i] = momentum * moments[i] + gradients[i]
            variable.assign_sub(rate * moments[i])
    images = (dataset.validation.images / 255 - dataset.mean) / dataset.std
    logits = model(images.astype(np.float32), training=False)
    return np.mean(np.argmax(logits, -1) == dataset.validation.label_ids)


def test_the_score_is_that_of_the_genotype(teacher):
    """The official code logs one architecture and scores another."""
    worker = _worker("gtn", readout="accuracy")
    dataset = worker.session.data.dataset
    by_hand = {
        genotype.to_text(): _train_by_hand(genotype, teacher, dataset)
        for genotype in _GENOTYPES
    }
    assert len(set(by_hand.values())) == 2
    for genotype in _GENOTYPES:
        evaluation = _do(worker, "gtn", genotype, teacher)
        # Three images of 397: rounding may turn a near tie.
        assert evaluation["score"] == pytest.approx(
            by_hand[genotype.to_text()], abs=0.008
        )
        assert evaluation["seconds"].keys() == {
            "build",
            "trace",
            "train",
            "validate",
        }
        assert min(evaluation["seconds"].values()) > 0


@pytest.mark.usefixtures("grappler")
def test_a_cell_that_adds_its_input_to_itself_has_one_accuracy():
    genotype = Genotype.from_text(
        "identity@0+identity@0:2/identity@0+conv1x1@1:2"
    )
    # As many as images came of it, where TensorFlow rewrote the arithmetic.
    name = "real:steps=1,readout=accuracy"
    with repeatable_graphs():
        found = _evaluate(name, genotype, num_cells=1)
    assert 0 <= found["score"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("num_architectures", [2, 50])
def test_what_is_shared_scores_any_genotype(teacher, num_architectures):
    truth = "real:steps=1"
    worker = _worker(
        "gtn",
        truth=truth,
        interpret=True,
        num_nodes=1,
        num_architectures=num_architectures,
        readout="accuracy",
    )
    network = worker.session.network("search")
    interpreter = CellInterpreter(_SPACE, *network[:4])
    setups = set()
    for genotype in _GENOTYPES:
        evaluation = _do(worker, "gtn", genotype, teacher)
        by_hand = _interpret_by_hand(interpreter, genotype, teacher, worker)
        assert evaluation["score"] == pytest.approx(by_hand, abs=0.008)
        seconds = evaluation["seconds"]
        setups.add(seconds.pop("setup", None))
        # One graph of all, or of each its own.
        assert (seconds.pop("trace") == 0) == (num_architectures == 50)
        assert min(seconds.values()) > 0
    assert len(setups) == 1
    assert (setups == {None}) == (num_architectures == 2)
    assert "setup" not in _do(worker, truth)["seconds"]


def _interpret_by_hand(interpreter, genotype, teacher, worker):
    """Trains with a graph of its own for this genotype."""
    seed = fold(root_seed(0), Purpose.SEARCH)
    params, statistics = interpreter.init_genotype(
        encode(genotype, _SPACE), seed
    )
    optimizer = SGD
    state = LearnerState(params, statistics, optimizer.init(params))
    learner = Learner("cell", None, interpreter.apply)
    for data in teacher_steps(load(teacher)):
        state = inner_step(learner, optimizer, state, data)
    return float(accuracy(learner, state, worker.session.data.validation))


@pytest.mark.slow
def test_a_network_is_built_and_traced_once(teacher, monkeypatch):
    built, trainers = [], []

    def build(genotype, *arguments):
        built.append(genotype)
        return build_cell_network(genotype, *arguments)

    class Counted(Trainer):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            trainers.append(weakref.ref(self))

    monkeypatch.setattr(search_networks, "build_cell_network", build)
    monkeypatch.setattr("gtn_tf.nas.evaluators.trained.Trainer", Counted)
    others = ("real", "real:steps=7", "real_subset:epochs=1")
    worker = _worker("gtn", *others)
    first = _do(worker, "gtn", teacher=teacher)
    for name in others:
        other = _do(worker, name)
        assert other["seconds"]["trace"] == first["seconds"]["trace"]
    assert built == _GENOTYPES[:1]
    _do(worker, "real", _GENOTYPES[1])
    assert built == _GENOTYPES
    before, after = trainers
    assert after() is not None
    assert before() is None  # hundreds of graphs would fill the memory


@pytest.mark.slow
def test_equal_jobs_have_equal_scores():
    assert len({_evaluate("real:steps=5")["score"] for _ in range(2)}) == 1


def _batches(monkeypatch, name, is_truth=False, **search):
    """Returns the (step, rate) that a job trains with, without training."""
    seen = []

    def train(self, job, session, optimizer, batches):
        assert optimizer == "sgd"
        seen.extend(batches(job.seed))
        return {}

    monkeypatch.setattr(Trained, "train", train)
    names = {"truth": name} if is_truth else {}
    worker = _worker(*(["params"] if is_truth else [name]), **names, **search)
    _do(worker, name)
    return seen


@pytest.mark.parametrize(
    ("name", "num_steps"),
    [
        ("real", 3),
        ("real:steps=5", 5),
        ("real:epochs=0.055", 6),  # of 1000 images, 10 each: 5.5 steps
        ("real_subset", 3),
        ("real_subset:epochs=2", 6),
    ],
)
def test_budgets(monkeypatch, name, num_steps):
    assert len(_batches(monkeypatch, name)) == num_steps


def test_seconds(monkeypatch):
    clock = iter(np.arange(0, 10, 0.25))
    monkeypatch.setattr(real.time, "perf_counter", lambda: float(next(clock)))
    seen = _batches(monkeypatch, "real:seconds=1", real_learning_rate=1.0)
    rates = [float(data.hyperparameters["learning_rate"]) for data in seen]
    # The rate falls over the time: cos of 0, 1/4, 1/2, 3/4 of pi.
    np.testing.assert_allclose(rates, [1, 0.853553, 0.5, 0.146447], rtol=1e-5)


@pytest.mark.parametrize(
    ("is_truth", "schedule", "expected", "batch_size"),
    [
        (False, "constant", [0.2, 0.2], 10),
        (False, "cosine", [0.2, 0.1], 10),
        (True, "constant", [0.4, 0.2], 20),
    ],
)
def test_rates_of_real_training(
    monkeypatch, is_truth, schedule, expected, batch_size
):
    seen = _batches(
        monkeypatch,
        "real:steps=2",
        is_truth,
        real_learning_rate=0.2,
        truth_learning_rate=0.4,
        real_momentum=0.3,
        real_schedule=schedule,
    )
    rates = [float(data.hyperparameters["learning_rate"]) for data in seen]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    for data in seen:
        assert data.images.shape == (batch_size, 8, 8, 1)
        assert float(data.hyperparameters["momentum"]) == pytest.approx(0.3)
    assert not np.allclose(seen[0].images, seen[1].images)


def test_the_subset_comes_round_again(monkeypatch):
    seen = _batches(monkeypatch, "real_subset:steps=6")
    images = [data.images.numpy() for data in seen]
    np.testing.assert_array_equal(images[0], images[3])
    # 30 different images in 3 batches, the classes in turn.
    first = np.concatenate(images[:3]).reshape(30, -1)
    assert len(np.unique(first, axis=0)) == 30
    np.testing.assert_array_equal(np.argmax(seen[0].labels, -1), np.arange(10))


def test_the_truth_is_in_training_form(monkeypatch):
    class Seen(Exception):
        """Ends an evaluation where its network is built."""

    def build(*arguments):
        raise Seen(arguments[-1])

    monkeypatch.setattr(search_networks, "build_cell_network", build)
    names = "real:steps=1", "real:steps=2"
    worker = _worker(names[0], truth=names[1])
    for name, form in zip(names, ("search", "training"), strict=True):
        with pytest.raises(Seen) as caught:
            _do(worker, name)
        assert caught.value.args == (FORMS[form],)


def test_test_data_are_not_read():
    assert _worker("params").session.data.dataset.test is None


def test_a_divergence_is_no_score():
    with pytest.raises(DivergenceError, match="after 40 steps"):
        _evaluate("real:steps=40", real_learning_rate=1e30)


def test_a_long_training_stops_before_its_next_step():
    asked = []

    def should_stop():
        asked.append(1)
        return len(asked) == 3

    worker = _worker("real:steps=1000", "real:steps=2", should_stop=should_stop)
    with pytest.raises(Stopped):
        _do(worker, "real:steps=1000")
    assert len(asked) == 3
    # Nothing is left of it.
    assert "score" in _do(worker, "real:steps=2")


def test_params_and_flops():
    cost = cell_network_cost(_GENOTYPES[0], 0, 2, (8, 8, 1), 10)
    worker = _worker("params")
    params, flops = (_do(worker, name) for name in ("params", "flops"))
    assert params["score"] == cost.params
    assert flops["score"] == cost.multiply_adds
    assert params["seconds"].keys() == {"build", "trace", "train"}


def test_real_scores_do_not_see_the_batches_of_the_truth(monkeypatch):
    same = {"real_batch_size": 10, "truth_batch_size": 10}
    batches = [
        _batches(monkeypatch, "real:steps=2", is_truth, **same)
        for is_truth in (False, False, True)
    ]
    first, again, truth = (
        np.stack([data.images for data in seen]) for seen in batches
    )
    np.testing.assert_array_equal(first, again)
    assert (first != truth).any(axis=(2, 3, 4)).mean() > 0.9


@pytest.mark.parametrize("name", ["synflow", "grad_norm"])
def test_untrained_scores(name):
    worker = _worker(name)
    scores = [
        _do(worker, name, genotype)["score"]
        for genotype in (_GENOTYPES[0], *_GENOTYPES)
    ]
    assert scores[0] == scores[1] != scores[2]
    assert np.all(np.isfinite(scores))


def test_untrained_scores_see_different_images(monkeypatch):
    batches = []

    def score(model, real):
        # A direction's gradient is not that of the weights it stands for.
        assert not any(isinstance(x, WeightNormLayer) for x in model.layers)
        batches.append(real)
        return 1.0

    monkeypatch.setitem(zero_cost.PROXIES, "naswot", score)
    worker = _worker("naswot", common_random_numbers=False)
    for genotype in _GENOTYPES:
        _do(worker, "naswot", genotype)
    for images, labels in batches:
        assert images.shape == (64, 8, 8, 1)
        assert len(np.unique(images.numpy().reshape(64, -1), axis=0)) == 64
        assert np.all(np.sum(labels, axis=-1) == 1)
    assert not np.allclose(batches[0].images, batches[1].images)


def _write_table(path, rows, header=("genotype", "score")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_table(tmp_path):
    same = Genotype.from_text("identity@1+conv1x1@0:2/conv1x1@0+identity@1:2")
    path = _write_table(tmp_path / "t.csv", [(same.to_text(), 0.25)])
    worker = _worker(f"table:{path}")
    assert _do(worker, f"table:{path}", same.canonical())["score"] == 0.25
    with pytest.raises(LookupError, match="no such genotype"):
        _do(worker, f"table:{path}")
    rows = [(same.to_text(), 0.25), (same.canonical().to_text(), 0.75)]
    path = _write_table(tmp_path / "of two seeds.csv", rows)
    assert list(read_scores(path, _SPACE).values()) == [0.5]
    rows.append((_GENOTYPES[0].to_text(), ""))
    path = _write_table(tmp_path / "one without a score.csv", rows)
    assert list(read_scores(path, _SPACE).values()) == [0.5]


@pytest.mark.parametrize(
    ("rows", "header", "reason"),
    [
        ([], ("genotype", "score"), "no rows"),
        ([("a", 1)], ("cell", "score"), "cell, score"),
        ([(_GENOTYPES[0].to_text(), "nan")], ("genotype", "score"), "'nan'"),
        ([("no genotype", 1)], ("genotype", "score"), "t.csv': .*cannot be"),
        ([(1,)], ("score", "genotype"), "a row without a genotype"),
    ],
)
def test_damaged_tables(tmp_path, rows, header, reason):
    path = _write_table(tmp_path / "t.csv", rows, header)
    with pytest.raises(InputError, match=reason):
        read_scores(path, _SPACE)


def test_absent_table(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_scores(tmp_path / "absent.csv", _SPACE)
