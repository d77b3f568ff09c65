"""Where a config ends: the modules that turn it into specs, and those alone."""

from pathlib import Path

import gtn_tf

_ROOT = Path(gtn_tf.__file__).parent

#: A module outside of `config` that takes a config. To shrink, not to grow.
DOORS = {
    "main",
    "runtime.workdir",  # compares it with the workdir's own
    *("training.assembly", "training.run", "training.pretrain"),
    "export.write",
    *("evaluation.assembly", "evaluation.baselines"),
    *("evaluation.comparison", "evaluation.sources"),
    *("nas.search", "nas.spec", "nas.teachers"),
    *("retrain.assembly", "retrain.run"),
    "report.write",
}
#: Packages whose subject configs are: experiments change them.
FREE = {"config", "experiments"}


def _takers():
    for path in _ROOT.rglob("*.py"):
        module = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        if "ConfigDict" in path.read_text():
            yield module


def test_a_config_reaches_the_doors_only():
    takers = {m for m in _takers() if m.split(".")[0] not in FREE}
    assert takers == DOORS


def test_what_computes_takes_no_config():
    for package in ("ops", "layers", "learners", "teachers", "meta"):
        for path in (_ROOT / package).rglob("*.py"):
            text = path.read_text()
            assert "ml_collections" not in text, path
            assert "gtn_tf.config" not in text.replace(
                "gtn_tf.config.choices", ""
            ), path
