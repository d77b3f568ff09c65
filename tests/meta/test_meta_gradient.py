"""The meta-gradient: central differences, oracle, closed form, traces.

Derivatives are taken in float64 inside tf.function, with softplus in place of
leaky ReLU: at a kink a difference quotient means nothing.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.config.choices import INNER_OPTIMIZERS
from gtn_tf.learners.functional import Learner
from gtn_tf.learners.registry import FAMILIES
from gtn_tf.meta.data_gradients import (
    rematerialized_data_gradient,
    stored_data_gradient,
)
from gtn_tf.meta.inner_loop import inner_step
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.meta.meta_gradient import meta_gradient
from gtn_tf.meta.meta_step import _of_those_kept
from gtn_tf.ops.seeds import fold, root_seed
from gtn_tf.types import Batch, LearnerState, SyntheticData
from tests.helpers.meta_problems import (
    NUM_CLASSES,
    STEP_SEED,
    make_gtn,
    make_problem,
    sample_real,
)

DRAWN_WIDTHS = ((2, 4), 3, (2, 5))  # of conv2_fc


def traced(gtn, problem, num_learners=1, rematerialize=True):
    @tf.function(autograph=False)
    def function(meta_params):
        return meta_gradient(
            gtn,
            problem,
            meta_params,
            STEP_SEED,
            (0, num_learners),
            rematerialize,
        )

    return function


def assert_matches_differences(
    gtn, problem, num_learners=1, seed=0, function=None
):
    """One random direction over all meta-parameters; relative error 1e-5."""
    function = function or traced(gtn, problem, num_learners)
    meta_params = gtn.read()
    gradients, _ = function(meta_params)
    random = np.random.default_rng(seed)
    direction = {
        name: random.normal(size=meta_params[name].shape)
        for name in gtn.trained_names
    }
    analytic = sum(
        float(np.sum(gradient.numpy() * direction[name]))
        for name, gradient in zip(gtn.trained_names, gradients, strict=True)
    )

    def total(step):
        moved = {
            name: meta_params[name] + step * d for name, d in direction.items()
        }
        return float(function({**meta_params, **moved})[1].total)

    # Richardson's extrapolation takes the step's own error out. RMSProp turns
    # within |g| < 1e-3 and Adam within 3e-6, where epsilon is as large as the
    # root: a longer step can jump over a sign change of one element, and 1e-7
    # leaves rounding of 1e-5 where Adam divides by such a root. With SGD 1e-5
    # was once long enough for another pixel to become a pool's maximum.
    step = {"sgd": 2e-6, "rmsprop": 1e-6, "adam": 1e-6}[
        gtn.spec.hyperparameters.optimizer
    ]
    coarse = (total(step) - total(-step)) / (2 * step)
    fine = (total(step / 2) - total(-step / 2)) / step
    numeric = (4 * fine - coarse) / 3
    assert abs(analytic) > 1e-4, "a direction without slope tests nothing"
    assert numeric == pytest.approx(analytic, rel=1e-5)


def assert_forms_agree(gtn, problem, num_learners=1, rtol=1e-10, function=None):
    meta_params = gtn.read()
    oracle, oracle_losses = traced(gtn, problem, num_learners, False)(
        meta_params
    )
    function = function or traced(gtn, problem, num_learners)
    found, losses = function(meta_params)
    # Relative to the whole gradient: a gain in front of a normalisation has
    # none but rounding.
    scale = max(np.abs(gradient).max() for gradient in oracle)
    for a, b in zip(oracle, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=rtol * scale)
    for a, b in zip(oracle_losses, losses, strict=True):
        np.testing.assert_allclose(b, a, rtol=max(rtol, 1e-6))


CHOICES = {
    "generator": ("gtn", "distillation", "soft labels"),
    "curriculum": (
        "full",
        "shuffled_batch",
        "all_shuffled",
        "none",
        "fixed_noise",
    ),
    "optimizer": tuple(INNER_OPTIMIZERS),
    "learner": ("conv2_fc", "conv5_pool", "mlp", "conv2_fc drawn widths"),
}


def is_possible(case):
    fixed_images = case["generator"] == "distillation" and case[
        "curriculum"
    ] in ("none", "fixed_noise")
    fresh_labels = (
        case["generator"] == "soft labels" and case["curriculum"] == "none"
    )
    return not fixed_images and not fresh_labels


def pairwise_cases():
    """A greedy list of cases in which every possible pair occurs."""
    names = list(CHOICES)
    products = [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*CHOICES.values())
    ]
    products = [case for case in products if is_possible(case)]

    def pairs(case):
        return set(itertools.combinations(case.items(), 2))

    missing = set().union(*map(pairs, products))
    chosen = []
    while missing:
        best = max(products, key=lambda case: len(pairs(case) & missing))
        missing -= pairs(best)
        chosen.append(best)
    return chosen


def build_case(case, num_learners=2):
    choices = {"curriculum": case["curriculum"]}
    if case["generator"] == "distillation":
        choices["source"] = "distillation"
    choices["learn_labels"] = case["generator"] == "soft labels"
    name, _, drawn = case["learner"].partition(" ")
    rate = {"sgd": 0.05, "adam": 0.02, "rmsprop": 0.01}[case["optimizer"]]
    gtn = make_gtn(optimizer=case["optimizer"], learning_rate=rate, **choices)
    problem = make_problem(
        name,
        case["optimizer"],
        every=1,
        widths=DRAWN_WIDTHS if drawn else None,
    )
    return gtn, problem


PAIRWISE = pairwise_cases()
IDS = ["-".join(case.values()).replace(" ", "_") for case in PAIRWISE]


def test_pairwise_cases_hold_every_possible_pair():
    found = set().union(
        *(itertools.combinations(case.items(), 2) for case in PAIRWISE)
    )
    for a, b in itertools.combinations(CHOICES, 2):
        for pair in itertools.product(CHOICES[a], CHOICES[b]):
            case = {"generator": "", "curriculum": "", a: pair[0], b: pair[1]}
            if is_possible(case):
                assert ((a, pair[0]), (b, pair[1])) in found


@pytest.mark.parametrize("case", PAIRWISE[:4], ids=IDS[:4])
def test_matches_central_differences(case):
    assert_matches_differences(*build_case(case), num_learners=2)


@pytest.mark.slow
@pytest.mark.parametrize("case", PAIRWISE, ids=IDS)
def test_both_forms_pairwise(case):
    gtn, problem = build_case(case)
    rematerialized = traced(gtn, problem, num_learners=2)
    assert_matches_differences(gtn, problem, 2, function=rematerialized)
    assert_forms_agree(gtn, problem, 2, function=rematerialized)


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(name, marks=[] if name == "sgd" else pytest.mark.slow)
        for name in INNER_OPTIMIZERS
    ],
)
def test_rematerialized_equals_stored(optimizer):
    gtn = make_gtn(num_steps=2, optimizer=optimizer)
    problem = make_problem("mlp", optimizer, every=1, widths=DRAWN_WIDTHS[:2])
    assert_forms_agree(gtn, problem, num_learners=2)


@pytest.mark.slow
def test_rematerialized_equals_stored_in_float32():
    gtn = make_gtn("float32", num_steps=2)
    problem = make_problem(
        "conv2_fc", every=1, dtype="float32", widths=DRAWN_WIDTHS
    )
    assert_forms_agree(gtn, problem, num_learners=2, rtol=1e-4)


@pytest.mark.parametrize(
    ("normalization", "weight_norm"),
    [
        *(("batch", True), ("none", False)),
        pytest.param("batch", False, marks=pytest.mark.slow),
        pytest.param("none", True, marks=pytest.mark.slow),
    ],
)
def test_other_normalizations(normalization, weight_norm):
    problem = make_problem(
        "mlp", normalization=normalization, weight_norm=weight_norm
    )
    assert_matches_differences(make_gtn(), problem)


# The families of CHOICES are in the pairwise cases.
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", sorted(set(FAMILIES) - set(CHOICES["learner"]))
)
def test_every_other_family(name):
    gtn, problem = make_gtn(), make_problem(name, every=1)
    rematerialized = traced(gtn, problem)
    assert_matches_differences(gtn, problem, function=rematerialized)
    assert_forms_agree(gtn, problem, function=rematerialized)


def test_families_drawn_in_one_meta_step():
    problem = make_problem("mlp,conv2_pool", every=1)
    gtn = make_gtn()
    assert_matches_differences(gtn, problem, num_learners=4)


@pytest.mark.parametrize(
    "curriculum", [pytest.param("full", marks=pytest.mark.slow), "all_shuffled"]
)
def test_rematerialized_generator_equals_stored(curriculum):
    problem = make_problem(every=1)
    results = []
    for rematerialize in (False, True):
        gtn = make_gtn(
            num_steps=3,
            curriculum=curriculum,
            learn_labels=True,
            rematerialize=rematerialize,
        )
        results.append(traced(gtn, problem, num_learners=2)(gtn.read()))
    (stored, _), (rematerialized, _) = results
    for a, b in zip(stored, rematerialized, strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-12)


def test_frozen_hyperparameters_are_not_trained():
    gtn = make_gtn(learn_hyperparameters=False)
    assert not any(name.startswith("inner_") for name in gtn.trained_names)
    assert_matches_differences(gtn, make_problem())


def test_mean_over_learners_is_the_mean_of_each_alone():
    gtn = make_gtn(curriculum="all_shuffled")
    problem = make_problem(every=1)
    meta_params = gtn.read()

    def of(first, number):
        return meta_gradient(
            gtn, problem, meta_params, STEP_SEED, (first, number)
        )

    together, losses = of(0, 3)
    alone = [of(first, 1) for first in range(3)]
    for i, gradient in enumerate(together):
        expected = np.mean([gradients[i] for gradients, _ in alone], axis=0)
        np.testing.assert_allclose(gradient, expected, atol=1e-12)
    for name in ("total", "final", "accuracy"):
        expected = np.mean([getattr(one, name) for _, one in alone])
        assert float(getattr(losses, name)) == pytest.approx(expected)
    assert len({float(one.total) for _, one in alone}) == 3


def test_shared_curriculum_equals_one_pass_per_learner():
    # `full` makes its data once for all learners; the mean must not notice.
    gtn = make_gtn(curriculum="full")
    problem = make_problem(every=1)
    meta_params = gtn.read()
    together, _ = meta_gradient(gtn, problem, meta_params, STEP_SEED, (0, 2))
    first, _ = meta_gradient(gtn, problem, meta_params, STEP_SEED, (0, 1))
    second, _ = meta_gradient(gtn, problem, meta_params, STEP_SEED, (1, 1))
    for a, b, c in zip(together, first, second, strict=True):
        np.testing.assert_allclose(a, (b + c) / 2, atol=1e-12)


@pytest.mark.parametrize("curriculum", ["full", "all_shuffled"])
def test_learner_draws_from_step_seed_and_its_index(curriculum):
    gtn = make_gtn(curriculum=curriculum)
    problem = make_problem()
    meta_params = gtn.read()
    totals = []
    for index in range(2):
        seed = fold(STEP_SEED, index)
        data = gtn.synthesize(meta_params, seed)
        _, expected = stored_data_gradient(
            problem, problem.learners[0], data, seed
        )
        _, found = meta_gradient(
            gtn, problem, meta_params, STEP_SEED, (index, 1)
        )
        totals.append(float(found.total))
        assert totals[-1] == pytest.approx(float(expected.total), rel=1e-12)
    assert totals[0] != totals[1]


def test_intermediate_losses_are_summed_on_fresh_batches():
    seeds = []

    def spy(seed):
        seeds.append(tuple(seed.numpy()))
        return sample_real(seed)

    gtn = make_gtn(num_steps=5)
    problem = make_problem(every=2)._replace(sample_real=spy)
    # Eagerly, so that the spy sees numbers.
    _, losses = meta_gradient(
        gtn, problem, gtn.read(), STEP_SEED, (0, 1), False
    )
    assert len(seeds) == len(set(seeds)) == 3  # after steps 2, 4 and 5
    assert float(losses.total) > float(losses.final)


def linear_learner(weights):
    """Logits = x W from a given W: a closed form exists at T = 1."""

    def init(seed):
        return [tf.identity(weights)], []

    def apply(params, statistics, images, training):
        return tf.reshape(images, (images.shape[0], -1)) @ params[0], statistics

    return Learner("linear", init, apply)


def softmax(logits):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    "gradient_of", [stored_data_gradient, rematerialized_data_gradient]
)
def test_linear_learner_closed_form(gradient_of):
    """With T = 1, W1 = W - a X'(P - Y)/B, P = softmax(X W).

    For the meta-loss L with G = dL/dW1, M = G, R = (P - Y) / B:
      dL/da = -<M, X'R>;  dL/dY = a (Q - P . Q) / B;
      dL/dX = -a [R M' + ((P o Q - P (P . Q)) / B) W'], Q = X M.
    """
    random = np.random.default_rng(0)
    num_pixels, batch = 4, 6
    weights = random.normal(size=(num_pixels, NUM_CLASSES))
    x = random.normal(size=(batch, num_pixels))
    y = softmax(random.normal(size=(batch, NUM_CLASSES)))
    real_x = random.normal(size=(7, num_pixels))
    real_y = np.eye(NUM_CLASSES)[random.integers(0, NUM_CLASSES, 7)]
    rate, momentum = 0.3, 0.5

    p = softmax(x @ weights)
    r = (p - y) / batch
    after = weights - rate * x.T @ r
    m = real_x.T @ (softmax(real_x @ after) - real_y) / len(real_x)
    q = x @ m
    dp = (p * q - p * np.sum(p * q, -1, keepdims=True)) / batch
    expected_images = -rate * (r @ m.T + dp @ weights.T)
    expected_labels = rate * (q - np.sum(p * q, -1, keepdims=True)) / batch
    expected_rate = -np.sum(m * (x.T @ r))

    real = Batch(tf.constant(real_x.reshape(7, 2, 2, 1)), tf.constant(real_y))
    problem = InnerProblem(
        (linear_learner(tf.constant(weights)),),
        SGD,
        lambda seed: real,
    )
    data = SyntheticData(
        tf.constant(x.reshape(1, batch, 2, 2, 1)),
        tf.constant(y[None]),
        {
            "learning_rate": tf.constant([rate], tf.float64),
            "momentum": tf.constant([momentum], tf.float64),
        },
    )
    gradients, losses = tf.function(
        lambda: gradient_of(problem, problem.learners[0], data, STEP_SEED),
        autograph=False,
    )()
    np.testing.assert_allclose(
        gradients.images[0].numpy().reshape(batch, num_pixels),
        expected_images,
        rtol=1e-10,
        atol=1e-14,
    )
    np.testing.assert_allclose(gradients.labels[0], expected_labels, rtol=1e-10)
    rates = gradients.hyperparameters
    assert float(rates["learning_rate"][0]) == pytest.approx(expected_rate)
    assert float(rates["momentum"][0]) == 0  # the first moment is zero
    expected_loss = -np.mean(
        np.sum(real_y * np.log(softmax(real_x @ after)), -1)
    )
    assert float(losses.final) == pytest.approx(expected_loss)


def test_statistics_carry_gradient():
    """Evaluation uses the last synthetic batch's mean, differentiably.

    With a rate of zero the learner's weights do not depend on the images at
    all: only the stored statistics do.
    """
    gtn = make_gtn(num_steps=1, learn_hyperparameters=False, learning_rate=1e-6)
    problem = make_problem()
    assert_matches_differences(gtn, problem)


def test_one_trace_for_all_meta_steps_and_widths():
    gtn = make_gtn("float32")
    problem = make_problem(
        "mlp", dtype="float32", widths=DRAWN_WIDTHS[:2], every=1
    )
    num_traces = 0

    @tf.function(autograph=False)
    def function(meta_params, seed):
        nonlocal num_traces
        num_traces += 1
        return meta_gradient(gtn, problem, meta_params, seed, (0, 2))

    totals = {
        float(function(gtn.read(), root_seed(s))[1].total) for s in range(5)
    }
    assert len(totals) == 5
    assert num_traces == 1


def test_inner_step_keeps_state_structure():
    problem = make_problem("conv2_fc", optimizer="adam")
    learner = problem.learners[0]
    params, statistics = learner.init(STEP_SEED)
    slots = problem.optimizer.init(params)
    before = LearnerState(params, statistics, slots)
    gtn = make_gtn(optimizer="adam")
    data = gtn.synthesize(gtn.read(), STEP_SEED)
    after = inner_step(
        learner,
        problem.optimizer,
        before,
        tf.nest.map_structure(lambda values: values[0], data),
    )
    tf.nest.assert_same_structure(before, after)
    for a, b in zip(
        tf.nest.flatten(before), tf.nest.flatten(after), strict=True
    ):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)


def test_random_rates_are_rates_times_a_factor():
    problem = make_problem("mlp")
    spread = problem._replace(learning_rate_spread=0.7)
    gtn = make_gtn()
    meta_params = gtn.read()
    factor = spread.rate_factor(fold(STEP_SEED, 0))
    assert 0 < abs(np.log(factor)) < 0.7
    name = "inner_learning_rate"  # its logarithm
    moved = meta_params | {
        name: meta_params[name] + tf.math.log(tf.cast(factor, tf.float64))
    }
    found, losses = traced(gtn, spread, rematerialize=False)(meta_params)
    expected, others = traced(gtn, problem, rematerialize=False)(moved)
    # The factor is a float32.
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * np.abs(b).max())
    np.testing.assert_allclose(losses.total, others.total, rtol=1e-6)


def test_a_learner_without_a_finite_gradient_is_left_out():
    problem = make_problem("mlp")
    (good,) = problem.learners

    def apply(params, statistics, images, training):
        logits, after = good.apply(params, statistics, images, training)
        return logits / 0.0, after

    problem = problem._replace(
        learners=(good, good._replace(apply=apply)), skips_non_finite=True
    )
    gtn, number = make_gtn(), 6

    @tf.function(autograph=False)
    def of(first, number):
        learners, values = (first, number), gtn.read()
        return meta_gradient(gtn, problem, values, STEP_SEED, learners, False)

    singles = [of(tf.constant(index), 1) for index in range(number)]
    skipped = [float(losses.num_skipped) for _, losses in singles]
    assert 0 < sum(skipped) < number
    for (gradients, losses), is_skipped in zip(singles, skipped, strict=True):
        assert np.any(gradients[0]) != is_skipped
        assert (float(losses.total) > 0) != is_skipped
    gradients, losses = _of_those_kept(*of(tf.constant(0), number))
    np.testing.assert_allclose(losses.num_skipped, np.mean(skipped), rtol=1e-6)
    kept = [s for s, out in zip(singles, skipped, strict=True) if not out]
    for place, gradient in enumerate(gradients):
        mean = np.mean([of_one[place] for of_one, _ in kept], 0)
        # The share of those kept is a float32.
        atol = 1e-6 * np.abs(mean).max()
        np.testing.assert_allclose(gradient, mean, rtol=0, atol=atol)
    mean = np.mean([loss.total for _, loss in kept])
    np.testing.assert_allclose(losses.total, mean, rtol=1e-6)
