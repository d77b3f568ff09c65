"""Small teachers."""

import dataclasses

import tensorflow as tf

from gtn_tf.import_paths import choose
from gtn_tf.teachers.curricula import CurriculumSpec
from gtn_tf.teachers.generator import GeneratorSpec
from gtn_tf.teachers.hyperparameters import HyperparameterSpec
from gtn_tf.teachers.registry import SOURCES
from gtn_tf.teachers.teacher import SampleReal, Teacher, TeacherSpec

SPEC = TeacherSpec(
    image_shape=(8, 8, 1),
    num_classes=3,
    num_steps=4,
    batch_size=6,
    hyperparameters=HyperparameterSpec("sgd", 0.02, 0.5, True),
    curriculum=CurriculumSpec("full", False),
    generator=GeneratorSpec(5, (6,), (4, 3), False),
    precision="float32",
)


def make_spec(spec: TeacherSpec = SPEC, **changes: object) -> TeacherSpec:
    """Returns a spec with other values of its fields or theirs."""
    if "curriculum" in changes:
        changes["name"] = changes.pop("curriculum")
    for group in ("hyperparameters", "curriculum", "generator"):
        part = getattr(spec, group)
        names = {field.name for field in dataclasses.fields(part)}
        own = {name: changes.pop(name) for name in names & changes.keys()}
        changes[group] = dataclasses.replace(part, **own)
    return dataclasses.replace(spec, **changes)


def make_teacher(
    seed: tf.Tensor,
    source: str = "gtn",
    sample_real: SampleReal | None = None,
    **changes: object,
) -> Teacher:
    """Builds a small teacher, the fields of its spec changed as given."""
    kind = choose(source, SOURCES, "source")
    return kind(make_spec(**changes), seed, sample_real)
