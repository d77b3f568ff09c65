"""Workdirs to report on, and their pages, read."""

import html.parser
import json

import numpy as np

from gtn_tf.export.real_images import FILE_NAME, RealImages, write_real_images
from gtn_tf.runtime.files import to_json
from tests.helpers import tiny

HOSTILE = '</style><script>alert("1")</script>&amp;' + "\ud800" + "long" * 80

ROWS = [
    {"step": 1, "meta_loss": 2.25, "meta_accuracy": 0.125, "seconds": 3.0},
    {
        "step": 2,
        "meta_loss": 1.75,
        "meta_accuracy": 0.25,
        "validation_accuracy": 0.3125,
        "seconds": 7.25,
    },
    {"step": 3, "meta_loss": None, "meta_accuracy": None, "seconds": 8.5},
]
EVALUATION = {
    "format_version": 1,
    "dataset": "digits",
    "num_inner_steps": 2,
    "inner_batch_size": 10,
    "split": "test",
    "num_test_images": 1360,
    "learner": "mlp",
    "meta_steps": 3,
    "sources": {
        "real_tuned": {
            "accuracy": 0.6125,
            "std": 0.0425,
            "ci95": [0.5925, 0.6325],
            "num_learners": 7,
            "accuracy_per_step": [0.3, 0.6125],
            "ci95_per_step": [[0.28, 0.32], [0.5925, 0.6325]],
            "images_seen": 12345,
            "seconds_per_learner": 0.0625,
            "setup_seconds": 754.0,
            "how": "best of <24> rates",
        },
        "gtn": {
            "accuracy": 0.7125,
            "std": None,
            "ci95": [None, None],
            "num_learners": 1,
            "accuracy_per_step": [0.35, 0.7125],
            "images_seen": 20,
            "validation_curve": [[1, 0.3], [3, 0.6]],
        },
    },
    "differences": {
        "gtn - real": {"mean": 0.011, "ci95": [0.0, 0.022]},
        "gtn - real_tuned": {
            "mean": 0.1,
            "ci95": [0.0801, 0.1199],
            "num_learners": 7,
        },
        "gtn - distillation": {"mean": -0.02, "ci95": [-0.0301, -0.0099]},
    },
    "transfer": {
        "conv2_fc": {
            "gtn": {"accuracy": 0.5, "ci95": [0.45, 0.55], "num_learners": 4}
        }
    },
    "versions": {"keras": "3.99"},
}
EXPORT = {
    "format_version": 1,
    "inner_batch_size": 3,
    "image_shape": [8, 8, 1],
    "num_classes": 3,
    "curriculum": {"name": "all_shuffled", "is_one_draw_of_many": True},
    "normalisation": {"mean": [0.25], "std": [0.5]},
    "versions": {"gtn_tf": "9.8.7"},
}


RETRAINING = {
    "name": "pick",
    "genotype_name": "search-0123",
    "search": {"evaluator": "gtn", "num_architectures": 8, "seconds": 8640.0},
    "dataset": "cifar10_16",
    "num_epochs": 1000,
    "batch_size": 128,
    "num_cells": 1,
    "channels": 8,
    "cutout": 0,
    "params": 54321,
    "seeds": [0, 1, 2],
    "test_error_mean": 0.3125,
    "test_error_std": 0.0125,
    "device_days": 0.5,
}


def changed(value, path, new):
    """Returns JSON with the value at a path replaced, or without it."""
    value = json.loads(json.dumps(value))
    *parents, last = path
    place = value
    for parent in parents:
        place = place[parent]
    if new is KeyError:
        del place[last]
    else:
        place[last] = new
    return value


def curriculum_arrays(num_steps=2):
    rng = np.random.default_rng(0)
    label_ids = np.tile(np.arange(3), (num_steps, 1))
    return {
        "images": rng.normal(size=(num_steps, 3, 8, 8, 1)).astype(np.float32),
        "labels": np.eye(3, dtype=np.float32)[label_ids],
        "inner_learning_rate": np.full(num_steps, 0.125, np.float32),
        "inner_momentum": np.full(num_steps, 0.5, np.float32),
    }


def write_workdir(
    workdir,
    *parts,
    rows=ROWS,
    evaluation=EVALUATION,
    export=EXPORT,
    arrays=None,
    **config,
):
    """Writes config.json and, of `parts`, metrics, evaluation, export."""
    values = tiny.get_config()
    values.update_from_flattened_dict(config)
    (workdir / "export").mkdir(parents=True)
    saved = {
        **to_json(values.to_dict()),
        "environment": {"tensorflow": "2.21.0", "devices": ["CPU", "CPU"]},
    }
    (workdir / "config.json").write_text(json.dumps(saved))
    if "metrics" in parts:
        lines = [json.dumps(row) + "\n" for row in rows]
        (workdir / "metrics.jsonl").write_text("".join(lines))
    if "evaluation" in parts:
        (workdir / "evaluation.json").write_text(json.dumps(evaluation))
    if "export" in parts:
        arrays = curriculum_arrays() if arrays is None else arrays
        metadata = {**export, "num_inner_steps": len(arrays["images"])}
        path = workdir / "export" / "metadata.json"
        path.write_text(json.dumps(metadata))
        np.savez(workdir / "export" / "curriculum.npz", **arrays)
    return workdir


def write_real_examples(workdir, num_classes=3):
    """Writes export/real_images.npz, of 8 x 8 images."""
    rng = np.random.default_rng(1)
    examples = rng.integers(0, 256, (num_classes, 2, 8, 8, 1), np.uint8)
    real = RealImages(examples, np.array([0.25]), np.array([0.5]))
    write_real_images(workdir / "export" / FILE_NAME, real)
    return examples


def write_retraining(workdir, result=RETRAINING):
    """Writes retrain/NAME/result.json."""
    folder = workdir / "retrain" / result["name"]
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(result))


_VOID = {"meta", "link", "img", "input"}


class Page(html.parser.HTMLParser):
    """Reads a page: its sections, tables, references and visible text."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.references, self.images = [], [], []
        self.tables, self.cards, self.texts, self._open = [], {}, [], []
        self.command = self.lesson = ""
        self.feed(str(text))
        assert not self._open
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "section":
            self.sections.append(attributes["id"])
        for name in ("src", "href", "srcset", "action", "data"):
            if name in attributes:
                self.references.append((tag, attributes[name]))
        self.lesson = attributes.get("data-lesson", self.lesson)
        if tag == "img":
            self.images.append(attributes)
        if tag == "tr":
            self.tables.append([])
        if tag in ("th", "td"):
            self.tables[-1].append("")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in _VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & {*self._open}:
            self.texts.append(data)
        if "pre" in self._open:
            self.command += data
        if {"th", "td"} & {*self._open}:
            self.tables[-1][-1] += data
        if self._open[-1:] == ["dt"]:
            self._name = data
            self.cards[data] = ""
        elif "dd" in self._open:
            self.cards[self._name] += data

    def row(self, *start):
        (found,) = (r for r in self.tables if tuple(r[: len(start)]) == start)
        return found
