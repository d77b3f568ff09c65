import numpy as np
import pytest

from gtn_tf.config.choices import EXPERIMENTS
from gtn_tf.experiments.experiment import find_experiment
from gtn_tf.figures.style import save_figure
from tests.helpers.experiment_results import RESULTS, is_drawn

_NUMBERS = {
    "few_step": (
        "3 GTN seeds (1 diverged)",
        "0.7000",
        "2.8 times as many [2.1, -]",
    ),
    "curricula": ("0.9000", "+0.1234", "0.957"),
    "weight_norm": (
        "no weight norm     3       33%",
        "0.789",
        "lower in 2 draws, higher in 1",
        "p = 0.988",
        "mean: 0.832 [0.500, 1.250] over the 2 draws",
        "median: -0.457 [-inf, 0.250]",
    ),
    "transfer": (
        "0.8765 +-0.1000",
        "conv2_pool*",
        "0.6543",
        "+0.0321",
        "+0.0456",
        "left out of the means: pool 2",
    ),
    "more_data": (
        "1 GTN seed\n",
        "0.7321",
        "+0.1357",
        "1: 0.6000 +-0.1000, 2: 0.6500",
    ),
    "any_network": (
        "0.7111 +-0.1000  0.8222 +-0.1000",
        "321              345               54                -\n",
        "+0.0234 +-0.0300   1  1  plain: best multiple - real_subset",
        "left out of the means: plain: best multiple 1",
    ),
    "any_ranking": (
        "0.612  [0.51, 0.71]          12.5  0.50 0.61 0.72\n",
        "-  -                      1.5  -\n",
        "meta-training: 123 seconds",
        "+0.267  [0.10, 0.40]    gtn, accuracy - params\n",
        "-                       gtn, accuracy - real, accuracy",
    ),
    "search_methods": (
        "gtn                        60     0.25  90.50 +-0.71   24\n",
        "params                      0    1e-05                  -\n",
        "              85.50              54.30  4\n",
        "gtn                   0.66 [0.30, 0.80]     0.41 [0.20, 0.60]     -\n",
        "+0.11 [-0.05, 0.25]",
    ),
    "ablation": (
        "0.8432",
        "+0.0309  [0.0101, 0.0517]         75\n",
        "left out of the means: inner.learning_rate=9 3",
    ),
}


def _points(axes):
    """Returns what lines show: {(x, y)}."""
    return {
        (round(float(x), 4), round(float(y), 4))
        for line in axes.lines
        for x, y in np.broadcast(*line.get_data())
    }


def _figure(name):
    return find_experiment(name).figure(RESULTS[name])


def test_few_stepis_drawn():
    (axes,) = _figure("few_step").axes
    learned, real = {(1, 0.5), (2, 0.7)}, {(2, 0.4), (4, 0.6), (8, 0.8)}
    assert learned | real < _points(axes)
    assert 5.6569 in {x for x, _ in _points(axes)}
    assert "2.8 x the steps\n[2.1, -]" in [t.get_text() for t in axes.texts]


def test_curricula_are_drawn():
    left, right = _figure("curricula").axes
    assert {(2, 0.3), (4, 0.505)} <= _points(left)
    assert len(left.lines) == 5
    assert {(0.9, 0), (0.8, 1), (0.8, 3), (0.957, 0)} <= _points(right)
    assert (0.8, 4) not in _points(right)  # all its seeds diverged


def test_weight_normis_drawn():
    (axes,) = _figure("weight_norm").axes
    dots = [
        line for line in axes.lines if line.get_marker() not in ("", "None")
    ]
    losses = [sorted(line.get_ydata()) for line in dots]
    assert losses == [[0.5, 1.5, 2.5], [1, 2, 2 * 2.5]]  # the last diverged
    labels = [t.get_text() for t in axes.get_xticklabels()]
    assert labels == [
        "weight norm\n0% diverged",
        "no weight norm\n33% diverged",
    ]


def test_more_datais_drawn():
    steps, batch, ensembles = _figure("more_data").axes
    assert {(2, 0.6), (2, 0.5), (4, 0.7)} <= _points(steps)
    assert {(10, 0.6), (20, 0.7321), (20, 0.65)} <= _points(batch)
    assert {(1, 0.6), (2, 0.65)} <= _points(ensembles)


def test_ablationis_drawn():
    figure = _figure("ablation")
    (axes,) = figure.axes
    assert 0.0309 in {x for x, _ in _points(axes)}
    texts = [text.get_text() for text in axes.texts]
    # One arm has no difference: all its seeds diverged.
    assert texts == ["meta.batch_size=256", "84.3 %"]
    note = " ".join(figure.get_supxlabel().split())
    assert note.endswith("plain has 81.2 %.")


def test_transfer_has_a_row_per_learner():
    figure = _figure("transfer")
    (axes,) = figure.axes
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["mlp", "conv2_pool*"]  # which is held out
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["own", "pool"]
    # Two recipes, a little above and below the middle of the row.
    assert {(0.8765, -0.2), (0.8765, 0.2)} <= _points(axes)
    assert not {y for _, y in _points(axes)} & {0.8, 1.2}  # means unknown


def test_any_network_has_a_row_per_network():
    (axes,) = _figure("any_network").axes
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["conv", "mlp", "mean of all"]
    accuracies = {x for x, y in _points(axes) if -0.5 < y < 0.5}
    assert {0.7111, 0.8222, 0.75} <= accuracies


def test_any_network_draws_real_images_by_the_better_update():
    result = dict(RESULTS["any_network"])
    columns, seconds = dict(result["accuracies"]), dict(result["setup_seconds"])
    for name, mean in (("real_subset", 0.76), ("real_tuned", 0.77)):
        either = f"{name}, either update"
        rows = columns[name].items()
        columns[either] = {on: dict(row, mean=mean) for on, row in rows}
        seconds[either] = 123.0
    result |= {"accuracies": columns, "setup_seconds": seconds}
    experiment = find_experiment("any_network")
    table = experiment.table(result)
    for line in ("c: real_subset\n", "f: real_tuned, either update\n"):
        assert line in table
    assert table.count(" 0.7700 +-0.1000") == 3
    figure = experiment.figure(result)
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[2:] == [
        f"{name}, either update" for name in ("real subset", "fresh real")
    ]
    drawn = {x for x, _ in _points(figure.axes[0])}
    assert {0.76, 0.77} <= drawn


def test_any_network_says_what_its_data_are():
    result = RESULTS["any_network"] | {"source": "distillation"}
    experiment = find_experiment("any_network")
    assert "distillation seeds" in experiment.table(result)
    figure = experiment.figure(result)
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert "distillation, own rates" in labels
    assert not any("GTN" in label for label in labels)
    assert "distillation seeds" in figure.texts[-1].get_text()


def test_any_network_draws_the_best_rates_of_another_arm():
    result = dict(RESULTS["any_network"])
    columns = dict(result["accuracies"])
    better = {
        name: dict(row, mean=0.9)
        for name, row in columns["plain: own rates"].items()
    }
    columns["meta.num_steps=9: own rates"] = columns["plain: best multiple"]
    columns["meta.num_steps=9: best multiple"] = better
    figure = find_experiment("any_network").figure(
        result | {"accuracies": columns}
    )
    (axes,) = figure.axes
    assert sum(x == 0.9 for x, _ in _points(axes)) == 3
    seconds = dict.fromkeys(columns, 5.0)
    table = find_experiment("any_network").table(
        result | {"accuracies": columns, "setup_seconds": seconds}
    )
    # Its means alone, not a column of networks.
    row = "0.9000 +-0.1000           5  meta.num_steps=9: best multiple"
    assert row in table
    assert "c: real_subset" in table
    texts = " ".join(text.get_text() for text in figure.texts)
    assert "Arm 1: meta.num_steps=9, its best." in " ".join(texts.split())


def test_search_methods_has_a_panel_per_strategy_and_one_of_own_weights():
    random, own = _figure("search_methods").axes
    # At the end, of 62 seconds, the mean of both seeds; no line of params.
    assert (62.0, 90.5) in _points(random)
    assert max(second for second, _ in _points(random)) == 62.0
    assert len(random.lines) == 1
    assert _points(own) == {(77.0, 85.5)}


def test_search_methods_draws_ends_where_these_alone_are_known():
    result = RESULTS["search_methods"]
    searches = [
        row | {key: row[key][-1:] for key in ("seconds", "truths")}
        for row in result["searches"]
    ]
    figure = find_experiment("search_methods").figure(
        result | {"searches": searches}
    )
    expected = {
        (row["seconds"][-1], row["pick"])
        for row in searches
        if row["evaluator"] == "gtn"
    }
    assert len(expected) == 2
    assert _points(figure.axes[0]) >= expected


@pytest.mark.parametrize("is_own", [False, True])
def test_search_methods_may_be_of_one_kind(is_own):
    searches = RESULTS["search_methods"]["searches"]
    result = RESULTS["search_methods"] | {
        "searches": [
            row for row in searches if is_own == (row["evaluator"] is None)
        ],
        "ranking": {},
    }
    if is_own:
        result["prices"] = {}
    experiment = find_experiment("search_methods")
    assert len(experiment.figure(result).axes) == 1
    text = experiment.table(result)
    assert ("darts" in text, "params" in text) == (is_own, not is_own)


def test_shares_are_drawn_and_printed_in_percent():
    searches = [
        row
        | {
            key: row[key] / 200
            for key in ("pick", "first")
            if row.get(key) is not None
        }
        | {"truths": [value / 200 for value in row["truths"]]}
        for row in RESULTS["search_methods"]["searches"]
    ]
    shares = RESULTS["search_methods"] | {"searches": searches}
    experiment = find_experiment("search_methods")
    assert "45.25 +-0.35   24\n" in experiment.table(shares)
    random, _ = experiment.figure(shares).axes
    assert (62.0, 45.25) in _points(random)
    low, high = random.get_ylim()
    assert 40 < low < 45.0 < 45.5 < high < 60  # of all picks in this panel


def test_an_evaluator_that_never_began_is_told_of():
    ranking = RESULTS["search_methods"]["ranking"]
    others = {"gtn": ranking["evaluators"]["gtn"]}
    result = RESULTS["search_methods"] | {
        "ranking": ranking | {"evaluators": others}
    }
    text = find_experiment("search_methods").table(result)
    assert text.endswith("too long a set-up to score any: params")


def test_any_ranking_has_a_row_per_source_and_readout():
    figure = _figure("any_ranking")
    (axes,) = figure.axes
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["params", "gtn, accuracy", "real, accuracy"]
    assert {(0.3456, 0.0), (0.6123, 1.0)} <= _points(axes)
    assert not {y for _, y in _points(axes)} & {2.0}  # unknown
    # The interval as it is, which need not be even around the mean.
    ends = [bar.get_segments()[0][:, 0] for bar in axes.collections]
    np.testing.assert_allclose(ends[0], (0.2, 0.4))
    note = " ".join(figure.get_supxlabel().split())
    assert note.startswith("4 ordinary networks; bars: 95 % intervals over")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_figure_and_table(tmp_path, name):
    result = RESULTS[name]
    save_figure(tmp_path / "figure.png", _figure(name))
    assert is_drawn(tmp_path / "figure.png")
    text = find_experiment(name).table(result)
    for part in _NUMBERS[name]:
        assert part in text
