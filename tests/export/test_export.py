import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from gtn_tf.export import saved_model as exported_gtn
from gtn_tf.export import write as export
from gtn_tf.export.load import ARRAYS, load
from gtn_tf.learners.functional import Learner
from gtn_tf.meta.inner_optimizers import SGD
from gtn_tf.meta.inner_problem import InnerProblem
from gtn_tf.meta.meta_gradient import meta_gradient
from gtn_tf.ops.seeds import (
    Purpose,
    fold,
    root_seed,
)
from gtn_tf.runtime import files
from gtn_tf.teachers.registry import CURRICULA
from gtn_tf.types import Batch, DivergenceError, InputError
from tests.helpers import tiny
from tests.helpers.exported import (
    BATCH_SIZE,
    NUM_CLASSES,
    NUM_ROUNDINGS,
    NUM_STEPS,
    build,
    exported,
    learner_seed,
    step_seed,
)
from tests.helpers.float_tolerance import assert_close

_PAIRS = [
    *(("gtn", name) for name in CURRICULA),
    *(("distillation", name) for name in list(CURRICULA)[:3]),
]


def problem():
    """Of the smallest learner: logits = x W."""

    def init(seed):
        shape = (8 * 8, NUM_CLASSES)
        return [0.1 * tf.random.stateless_normal(shape, seed)], []

    def apply(params, statistics, images, training):
        pixels = tf.reshape(images, (images.shape[0], -1))
        return pixels @ params[0], statistics

    images = tf.random.stateless_normal((5, 8, 8, 1), [0, 0])
    real = Batch(images, tf.one_hot([0, 1, 2, 0, 1], NUM_CLASSES))
    return InnerProblem(
        learners=(Learner("linear", init, apply),),
        optimizer=SGD,
        sample_real=lambda seed: real,
    )


def seen_in_training(gtn):
    """What `synthesize` gives inside a traced meta-step, with its gradient."""
    synthesize, seen, inner_problem = gtn.synthesize, [], problem()

    def recorded(*arguments):
        seen.append(synthesize(*arguments))
        return seen[-1]

    gtn.synthesize = recorded

    @tf.function(autograph=False)
    def step(meta_params):
        gradients, _ = meta_gradient(
            gtn, inner_problem, meta_params, step_seed(), (0, 1)
        )
        return gradients, seen[0]

    gradients, data = step(gtn.read())
    gtn.synthesize = synthesize
    assert any(np.any(g) for g in gradients)
    return data


@pytest.mark.usefixtures("grappler")
@pytest.mark.parametrize(
    "learn_labels", [False, pytest.param(True, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("source", "curriculum"), _PAIRS)
def test_curriculum_is_what_training_saw(source, curriculum, learn_labels):
    learn_labels = learn_labels and curriculum != "none"
    gtn = build(source=source, curriculum=curriculum, learn_labels=learn_labels)
    data = seen_in_training(gtn)
    module = exported(gtn)
    for step in range(NUM_STEPS):
        found = module.curriculum(tf.constant(step))
        assert set(found) == set(ARRAYS)
        np.testing.assert_array_equal(found["images"], data.images[step])
        np.testing.assert_array_equal(found["labels"], data.labels[step])
        for name, values in data.hyperparameters.items():
            np.testing.assert_array_equal(found[f"inner_{name}"], values[step])


def test_curriculum_refuses_steps_outside():
    curriculum = exported(build()).curriculum
    for step in (-1, NUM_STEPS):
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=rf"inner_step is not in \[0, {NUM_STEPS}\):\] \[{step}\]",
        ):
            curriculum(tf.constant(step))


def first_layer(gtn, noise, labels):
    """V g / ||V|| of the first dense layer, by hand: [N, units]."""
    kernel, gain = (
        gtn.variables_by_name[f"generator_{i:02d}"].numpy() for i in (0, 1)
    )
    inputs = np.concatenate([noise, labels], -1)
    inputs = inputs.reshape(NUM_STEPS * BATCH_SIZE, -1)
    return inputs @ (kernel * gain / np.linalg.norm(kernel, axis=0))


@pytest.mark.parametrize("curriculum", ["full", "all_shuffled", "none"])
def test_statistics_of_the_first_layer_are_those_of_all_examples(curriculum):
    gtn = build(curriculum=curriculum)
    noise, labels = gtn.inputs(gtn.read(), learner_seed())
    values = first_layer(gtn, noise, labels)
    mean, variance, *_ = exported_gtn.pooled_statistics(
        gtn, gtn.read(), learner_seed()
    )
    num_roundings = (5 + 3) + NUM_STEPS * BATCH_SIZE
    assert_close(mean, values.mean(0), num_roundings, np.abs(values).max())
    assert_close(variance, values.var(0), num_roundings, (values**2).max())


def hand_pooled(gtn):
    """Pools batch statistics of every layer in NumPy."""
    generator, values = gtn.generator, gtn.read()
    weights = gtn.generator_weights(values)
    noise, labels = gtn.inputs(values, learner_seed())
    unread = [
        tf.convert_to_tensor(v) for v in generator.non_trainable_variables
    ]
    found = {}
    for step in range(NUM_STEPS):
        _, statistics = generator.stateless_call(
            weights, unread, noise[step][None], labels[step][None]
        )
        for variable, value in zip(
            generator.non_trainable_variables, statistics, strict=True
        ):
            found.setdefault(variable.path, []).append(value.numpy())
    pooled = []
    for path, values in found.items():
        value = np.mean(values, 0)
        if path.endswith("moving_variance"):
            means = found[path.replace("moving_variance", "moving_mean")]
            value = value + np.var(means, 0)
        pooled.append(value)
    return weights, pooled


@pytest.mark.parametrize("batch_size", [1, 7])
def test_generate_uses_the_pooled_statistics(batch_size):
    gtn = build(curriculum="shuffled_batch")
    noise = tf.random.stateless_normal((batch_size, 5), [0, 1])
    labels = tf.one_hot(tf.range(batch_size) % NUM_CLASSES, NUM_CLASSES)
    weights, pooled = hand_pooled(gtn)
    expected, _ = gtn.generator.stateless_call(
        weights, pooled, noise[None], labels[None], training=False
    )
    found = exported(gtn).generate(noise, labels)["images"]
    assert found.shape == (batch_size, 8, 8, 1)
    assert_close(found, expected[0], NUM_ROUNDINGS)


@pytest.mark.parametrize("learn_labels", [False, True])
@pytest.mark.parametrize("curriculum", ["full", "all_shuffled", "fixed_noise"])
def test_sample_draws_the_examples_of_the_label(curriculum, learn_labels):
    gtn = build(curriculum=curriculum, learn_labels=learn_labels)
    module = exported(gtn)
    assert module.sample_noise == "curriculum"
    noise = tf.reshape(gtn.read()["noise"], (-1, 5))
    labels = np.eye(NUM_CLASSES, dtype=np.float32)[np.arange(24) % NUM_CLASSES]
    if learn_labels:
        logits = gtn.read()["label_logits"]
        labels = tf.reshape(tf.nn.softmax(logits), (-1, 3)).numpy()
    images = module.generate(noise, labels)["images"].numpy()
    label_ids = np.arange(300) % NUM_CLASSES
    found = module.sample(label_ids.astype(np.int32), [5, 6])
    distances = np.abs(found["images"].numpy()[:, None] - images[None])
    rows = np.argmin(distances.max((2, 3, 4)), 1)
    assert_close(found["images"], images[rows], NUM_ROUNDINGS)
    assert_close(found["labels"], labels[rows], 2 * NUM_CLASSES)
    np.testing.assert_array_equal(rows % NUM_CLASSES, label_ids)
    # 12.5 expected of each, with a standard deviation of 3.3.
    assert np.bincount(rows, minlength=24).min() >= 2


@pytest.mark.parametrize("changes", [{}, {"curriculum": "none"}], ids=str)
def test_sample_is_a_function_of_its_seed(changes):
    sample = exported(build(**changes)).sample
    label_ids = np.arange(30, dtype=np.int32) % NUM_CLASSES
    first, again, other = (
        sample(label_ids, seed)["images"].numpy()
        for seed in ([1, 0], [1, 0], [2, 0])
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize(
    "changes",
    [
        {"curriculum": "none"},
        {"num_steps": 1, "batch_size": 2},  # fewer than classes
    ],
    ids=str,
)
def test_sample_draws_normal_noise_where_there_is_no_other(changes):
    module = exported(build(**changes))
    assert module.sample_noise == "normal"
    label_ids = np.full(50, 2, np.int32)
    found = module.sample(label_ids, [0, 0])
    np.testing.assert_array_equal(found["labels"], np.eye(3)[label_ids])
    assert len(np.unique(found["images"].numpy().reshape(50, -1), axis=0)) == 50


def test_sample_refuses_labels_outside():
    sample = exported(build()).sample
    for label_id in (-1, NUM_CLASSES):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="label_ids are not all in"
        ):
            sample([0, label_id], [0, 0])


_FRESH = """
import sys
import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1] + "/1")
data = dict(np.load(sys.argv[1] + "/../inputs.npz"))
with np.load(sys.argv[1] + "/curriculum.npz", allow_pickle=False) as file:
    arrays = dict(file)
found = {}
for count in (1, 7):
    noise, labels = data["noise"][:count], data["labels"][:count]
    found[f"generate_{count}"] = loaded.generate(noise, labels)["images"]
    # What servers call without a name: fresh examples.
    default = loaded.signatures["serving_default"].structured_input_signature
    assert set(default[1]) == {"label_ids", "seed"}
    by_name = loaded.signatures["generate"](
        noise=tf.constant(noise), labels=tf.constant(labels)
    )
    assert np.array_equal(by_name["images"], found[f"generate_{count}"])
sampled = loaded.sample(data["label_ids"], data["seed"])
found |= {f"sample_{name}": value for name, value in sampled.items()}
for step in range(len(arrays["images"])):
    values = loaded.curriculum(tf.constant(step, tf.int32))
    assert values.keys() == arrays.keys()
    for name, value in values.items():
        assert np.array_equal(value, arrays[name][step]), name
np.savez(sys.argv[1] + "/../found.npz", **found)
assert not {"gtn_tf", "keras", "tf_keras"} & set(sys.modules)
"""


def test_opens_with_plain_tensorflow(tmp_path):
    module = exported(build(learn_labels=True))
    export.write_export(tmp_path / "export", module, {})
    inputs = {
        "noise": np.random.default_rng(0).normal(size=(7, 5)).astype("f4"),
        "labels": np.eye(3, dtype=np.float32)[np.arange(7) % 3],
        "label_ids": np.arange(7, dtype=np.int32) % 3,
        "seed": np.array([4, 5], np.int32),
    }
    np.savez(tmp_path / "inputs.npz", **inputs)
    for name in ("gtn_tf", "keras", "tf_keras"):
        absent = f"raise ModuleNotFoundError('No {name}', name='{name}')"
        (tmp_path / f"{name}.py").write_text(absent)
    done = subprocess.run(
        [sys.executable, "-c", _FRESH, str(tmp_path / "export")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npz")
    noise, labels = inputs["noise"], inputs["labels"]
    sampled = module.sample(inputs["label_ids"], inputs["seed"])
    expected = {
        "generate_1": module.generate(noise[:1], labels[:1])["images"],
        "generate_7": module.generate(noise, labels)["images"],
        "sample_images": sampled["images"],
        "sample_labels": sampled["labels"],
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert_close(found[name], value, NUM_ROUNDINGS, err_msg=name)


def test_arrays_are_equal_bytes_for_equal_data(tmp_path):
    for name in ("first", "again"):
        export.write_export(tmp_path / name, exported(build()), {})
    first, again = (
        (tmp_path / name / "curriculum.npz").read_bytes()
        for name in ("first", "again")
    )
    assert first == again


def replace(path, text, error=None):
    with files.replaced_folder(path) as folder:
        assert not list(folder.iterdir())
        (folder / "file").write_text(text)
        if error is not None:
            raise error


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "export"
    replace(path, "first")
    with pytest.raises(KeyboardInterrupt):
        replace(path, "second", KeyboardInterrupt())
    assert (path / "file").read_text() == "first"
    replace(path, "third")
    assert (path / "file").read_text() == "third"
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


@pytest.mark.parametrize("num_renames", [0, 1, 2])
def test_a_kill_while_renaming_loses_nothing(
    tmp_path, monkeypatch, num_renames
):
    path = tmp_path / "export"
    replace(path, "old")
    renames, rename = [], os.replace

    def killed(*paths):
        if len(renames) == num_renames:
            raise KeyboardInterrupt
        renames.append(rename(*paths))

    monkeypatch.setattr(files.os, "replace", killed)
    monkeypatch.setattr(files.shutil, "rmtree", lambda *_, **__: None)
    if num_renames == 2:
        replace(path, "new")
    else:
        with pytest.raises(KeyboardInterrupt):
            replace(path, "new")
    monkeypatch.undo()
    assert path.exists() == (num_renames != 1)
    with pytest.raises(KeyboardInterrupt):
        replace(path, "newer", KeyboardInterrupt())
    kept = (path / "file").read_text()
    assert kept == ("new" if num_renames == 2 else "old")
    replace(path, "newer")
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


def test_real_data_have_no_export(tmp_path):
    config = tiny.get_config()
    config.source = "real"
    with pytest.raises(InputError, match="source 'real' has no synthetic data"):
        export.export(config, tmp_path)


def test_no_gtn(tmp_path):
    workdir = tmp_path / "workdir"
    done = tiny.run_main(workdir, "--mode=export")
    tiny.assert_one_line(done, 2, f"{str(workdir)!r} holds no GTN")
    assert not workdir.exists()


def _save_what_a_learner_sees(workdir, arguments):
    from gtn_tf.training.run import restore_run

    config = tiny.get_config()
    config.update_from_flattened_dict(arguments)
    run = restore_run(config, workdir)
    seed = fold(root_seed(config.seed), Purpose.VALIDATION, 0)
    data = run.teacher.synthesize(run.teacher.read(), seed)
    arrays = (data.images, data.labels, *data.hyperparameters.values())
    arrays = dict(zip(ARRAYS, arrays, strict=True))
    np.savez(workdir / "seen.npz", **arrays)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "distillation", "curriculum.name": "all_shuffled"},
        pytest.param(
            {"num_logical_devices": 2, "meta.num_learners": 2},
            marks=pytest.mark.slow,
        ),
    ],
    ids=str,
)
def test_pretrain_exports(tmp_path, changes):
    changes["meta.num_steps"] = 2
    flags = [f"--config.{key}={value}" for key, value in changes.items()]
    done = tiny.run_main(tmp_path, *flags)
    assert done.code == 0, done
    assert done.errors.endswith(f"exported to {tmp_path / 'export'}\n")
    first = load(tmp_path)
    done = tiny.run_forked(_save_what_a_learner_sees, tmp_path, changes)
    assert done.code == 0, done
    seen = np.load(tmp_path / "seen.npz")
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(first, name), seen[name])
    done = tiny.run_main(tmp_path, *flags, "--mode=export")
    assert done.code == 0, done
    assert done.errors == f"exported to {tmp_path / 'export'}\n"
    assert load(tmp_path).metadata == first.metadata


def test_what_is_not_finite_is_not_exported(tmp_path):
    path = tmp_path / "export"
    path.mkdir()
    module = exported_gtn.ExportedGTN.__new__(exported_gtn.ExportedGTN)
    module.arrays = {"images": tf.constant([1.0, np.inf])}
    with pytest.raises(DivergenceError, match=tiny.ONE_LINE) as caught:
        export.write_export(path, module, {})
    caught.match("^images to be exported")
    assert not list(path.iterdir())
