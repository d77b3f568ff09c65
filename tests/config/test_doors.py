"""Where a config ends: the modules that turn it into specs, and those alone."""

import dataclasses
from pathlib import Path

import pytest

import gtn_tf
from gtn_tf.config import default_config
from gtn_tf.retrain.assembly import RetrainSpec
from gtn_tf.teachers.curricula import CurriculumSpec
from gtn_tf.teachers.generator import GeneratorSpec
from gtn_tf.training.assembly import read_spec

_ROOT = Path(gtn_tf.__file__).parent

#: A module outside of `config` that takes a config. To shrink, not to grow.
DOORS = {
    "main",
    "runtime.workdir",  # compares it with the workdir's own
    *("training.assembly", "training.run", "training.pretrain"),
    "training.memory",  # adds up the sizes of everything
    "export.write",
    *("evaluation.assembly", "evaluation.baselines"),
    *("evaluation.comparison", "evaluation.sources"),
    *("nas.search", "nas.spec", "nas.teachers"),
    *("retrain.assembly", "retrain.run"),
    "report.write",
    "front.fit",
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


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        (GeneratorSpec, "generator"),
        (CurriculumSpec, "curriculum"),
        (RetrainSpec, "retrain"),
    ],
)
def test_a_new_key_is_its_field_and_its_spec_alone(kind, group):
    values = default_config()[group].to_dict() | {
        **{"max_to_keep": 1, "logs": (), "precision": "float32"},
        "new_key": 7,
    }
    wider = dataclasses.make_dataclass(
        "Wider", [("new_key", int)], bases=(kind,), frozen=True, kw_only=True
    )
    assert read_spec(wider, values).new_key == 7
