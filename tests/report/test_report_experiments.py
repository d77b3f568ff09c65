import re

import pytest
from markupsafe import escape

from gtn_tf.config.choices import EXPERIMENTS
from gtn_tf.experiments.experiment import find_experiment
from gtn_tf.report import write as report
from gtn_tf.report.results import read_results
from gtn_tf.types import InputError
from tests.helpers import tiny
from tests.helpers.experiment_results import RESULTS, write_experiments
from tests.helpers.report_workdirs import Page, changed, write_workdir


def _page(workdir):
    return report.build_page(read_results(workdir))


def test_each_has_its_question_figure_and_table(tmp_path):
    workdir = write_workdir(tmp_path / "run")
    write_experiments(workdir, **RESULTS)
    page = _page(workdir)
    places = [page.index(f">{name}</h3>") for name in EXPERIMENTS]
    assert places == sorted(places)
    for name, begin in zip(EXPERIMENTS, places, strict=True):
        asked, drawn, listed = (
            page.index(part, begin)
            for part in (
                str(escape(find_experiment(name).question)),
                f'aria-label="Figure of the experiment {name}"',
                str(escape(find_experiment(name).table(RESULTS[name]))),
            )
        )
        assert asked < drawn < listed
        later = [place for place in places if place > begin]
        assert listed < min(later, default=len(page))
    # Keys can scroll the tables.
    assert all('tabindex="0"' in pre for pre in re.findall("<pre.*?>", page))


def test_experiments_alone_are_what_the_header_speaks_of(tmp_path):
    workdir = write_workdir(tmp_path / "run")
    names = ("curricula", "transfer")
    write_experiments(workdir, **{name: RESULTS[name] for name in names})
    found = Page(_page(workdir))
    assert found.text.count("Experiments on digits") == 2  # title and h1
    assert "2 experiments (curricula, transfer)" in found.text
    assert found.sections[0] == "experiments"
    assert "meta-training" not in found.sections
    assert "--config.evaluation.experiment=curricula" in found.command
    assert "for NAME transfer" in found.text
    assert "Intervals of the experiments are over GTN seeds" in found.text
    assert "Intervals of rank correlations" not in found.text


def test_beside_a_gtn_they_are_named(tmp_path):
    workdir = write_workdir(tmp_path / "run", "metrics")
    write_experiments(workdir, transfer=RESULTS["transfer"])
    found = Page(_page(workdir))
    assert "GTN on digits" in found.text
    assert "Also here: 1 experiment (transfer)." in found.text
    assert "--mode=" not in found.command
    assert "--config.evaluation.experiment" not in found.command


def test_one_seed_has_no_interval(tmp_path):
    workdir = write_workdir(tmp_path / "run")

    def without(value):
        if isinstance(value, dict):
            return {
                k: None if k == "ci95" else without(v) for k, v in value.items()
            }
        return [*map(without, value)] if isinstance(value, list) else value

    write_experiments(workdir, **without(RESULTS))
    assert _page(workdir).count("Figure of the experiment") == len(RESULTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("value", [KeyError, None, [3]], ids=str)
def test_a_damaged_result_is_one_line(tmp_path, name, value):
    key = {
        "few_step": "real",
        "more_data": "sizes",
        "any_network": "accuracies",
        "any_ranking": "rank_correlations",
        "search_methods": "searches",
    }.get(name, "arms")
    result = changed(RESULTS[name], [key], value)
    workdir = write_workdir(tmp_path / "run")
    write_experiments(workdir, **{name: result})
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        report.report(tiny.get_config(), workdir)
    assert f"{name}/result.json' is damaged" in str(caught.value)
    assert not (workdir / "report.html").exists()


def test_no_json_is_one_line(tmp_path):
    workdir = write_workdir(tmp_path / "run")
    write_experiments(workdir, transfer=[])
    with pytest.raises(InputError, match=tiny.ONE_LINE):
        read_results(workdir)
