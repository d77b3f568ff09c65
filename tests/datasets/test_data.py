import collections
import os
from pathlib import Path

import numpy as np
import pytest
import requests
import tensorflow as tf

from gtn_tf.datasets import batches as real_batches
from gtn_tf.datasets import digits
from gtn_tf.datasets import loading as data
from gtn_tf.datasets import tfds as tfds_reader
from gtn_tf.types import InputError
from tests.helpers.float_tolerance import assert_close

NUM_TRAIN, NUM_TEST, NUM_VALIDATION = 40, 20, 10
REAL_DIR = os.environ.get("GTN_TEST_DATA_DIR") or os.environ.get(
    "TFDS_DATA_DIR"
)


def _seed(*values):
    return tf.constant(values, tf.int32)


def _rows(images):
    return collections.Counter(image.tobytes() for image in images)


def _error(*args, **kwargs):
    """The one line of the InputError that `load` raises."""
    with pytest.raises(InputError) as info:
        data.load(*args, **kwargs)
    line = str(info.value)
    assert "\n" not in line
    assert len(line.split("; ")) == 3, line
    return line


def _arrays(num_images, shape=(28, 28, 1), seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (num_images, *shape))
    return images.astype(np.uint8), np.arange(num_images) % 10


def _records(images, labels):
    for image, label in zip(images, labels, strict=True):
        features = {
            "image": tf.train.Feature(
                bytes_list=tf.train.BytesList(
                    value=[tf.io.encode_png(image).numpy()]
                )
            ),
            "label": tf.train.Feature(
                int64_list=tf.train.Int64List(value=[label])
            ),
        }
        yield tf.train.Example(
            features=tf.train.Features(feature=features)
        ).SerializeToString()


_TINY = tfds_reader.Official(
    (28, 28, 1),
    {"train": NUM_TRAIN, "test": NUM_TEST},
    NUM_VALIDATION,
    False,
)


def _tiny_splits(*_):
    def examples(num, seed):
        for i, (image, label) in enumerate(
            zip(*_arrays(num, seed=seed), strict=True)
        ):
            yield i, {"image": image, "label": label}

    return {"train": examples(NUM_TRAIN, 0), "test": examples(NUM_TEST, 1)}


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch):
    """A TFDS directory with 40 + 20 MNIST-like records, written by TFDS."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    builder = tfds.builder("mnist", data_dir=str(tmp_path))

    monkeypatch.setattr(builder, "_split_generators", _tiny_splits)
    builder.download_and_prepare()
    monkeypatch.setitem(tfds_reader.OFFICIAL, "mnist", _TINY)
    monkeypatch.setattr(requests, "head", _no_network)
    return tmp_path


def _no_network(*_, **__):
    raise requests.ConnectionError("Name or service\nnot known")


def _files(directory):
    return sorted(directory.rglob("*"))


def _train_file(tiny_mnist):
    (path,) = tiny_mnist.rglob("mnist-train.tfrecord*")
    return path


# Splits.


def test_digits_wherever_they_lie(monkeypatch):
    read = digits._read()
    monkeypatch.setattr(digits, "_FILE", Path("moved.csv.gz"))
    for one, other in zip(read, digits._read(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_digits_parts_are_disjoint_and_complete():
    dataset = data.load("digits", with_test=True)
    from sklearn.datasets import load_digits

    splits = dataset.train, dataset.validation, dataset.test
    assert [len(s.images) for s in splits] == [1000, 397, 400]
    for split in splits:
        assert split.images.dtype == np.uint8
        assert split.label_ids.dtype == np.int32
        assert split.images.shape[1:] == dataset.image_shape == (8, 8, 1)
    raw = load_digits()
    # 16 -> 255, 8 -> 127.5 (to even: 128), 1 -> 15.9375
    pixels = np.round(raw.images / 16 * 255).astype(np.uint8)
    assert {0, 16, 128, 255} <= set(pixels.ravel())
    pairs = collections.Counter(
        (image.tobytes(), label)
        for split in splits
        for image, label in zip(*split, strict=True)
    )
    assert pairs == collections.Counter(
        (image.tobytes(), label)
        for image, label in zip(pixels[..., None], raw.target, strict=True)
    )


def test_classes_are_balanced_in_every_part():
    dataset = data.load("digits", with_test=True)
    for split in (dataset.train, dataset.validation, dataset.test):
        shares = np.bincount(split.label_ids, minlength=10) / len(split.images)
        assert shares.min() > 0.06
        assert shares.max() < 0.14


def test_split_depends_on_the_seed_only():
    first, again, other = (
        data.load("digits", split_seed=seed) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.train.images, again.train.images)
    np.testing.assert_array_equal(
        first.validation.label_ids, again.validation.label_ids
    )
    assert _rows(first.train.images) != _rows(other.train.images)


def test_test_data_are_absent_unless_asked_for():
    dataset = data.load("digits")
    assert dataset.test is None
    with pytest.raises(ValueError, match="'test' of 'digits'"):
        real_batches.device_split(dataset, "test")


def test_statistics_are_of_the_training_part():
    dataset = data.load("digits")
    train = dataset.train.images / 255
    assert dataset.mean == pytest.approx([train.mean()], rel=1e-12)
    assert dataset.std == pytest.approx([train.std()], rel=1e-10)
    everything = np.concatenate([train, dataset.validation.images / 255])
    assert abs(dataset.mean[0] - everything.mean()) > 1e-6


def test_statistics_are_per_channel():
    images = np.zeros((2, 1, 2, 3), np.uint8)
    images[..., 0] = [[[0, 255]], [[0, 255]]]
    images[..., 1] = 51
    images[0, ..., 2] = 102
    split = data.Split(images, np.zeros(2, np.int32))
    dataset = data.make_dataset("x", split, split, None, num_classes=10)
    assert dataset.mean == pytest.approx((0.5, 0.2, 0.2))
    assert dataset.std == pytest.approx((0.5, 0.0, 0.2), abs=1e-7)


# TFDS.


def test_reads_what_tfds_wrote(tiny_mnist):
    dataset = data.load("mnist", str(tiny_mnist), with_test=True)
    assert len(dataset.train.images) == NUM_TRAIN - NUM_VALIDATION
    assert len(dataset.validation.images) == NUM_VALIDATION
    images, labels = _arrays(NUM_TRAIN)
    read = np.concatenate([dataset.train.images, dataset.validation.images])
    assert _rows(read) == _rows(images)
    label_of = {i.tobytes(): n for i, n in zip(images, labels, strict=True)}
    for split in (dataset.train, dataset.validation):
        for image, label in zip(*split, strict=True):
            assert label == label_of[image.tobytes()]
    assert _rows(dataset.test.images) == _rows(_arrays(NUM_TEST, seed=1)[0])


def test_keeps_the_order_of_tfds(tiny_mnist):
    import tensorflow_datasets as tfds

    builder = tfds.builder("mnist", data_dir=str(tiny_mnist))
    (expected,) = builder.as_dataset(split="train", batch_size=100)
    images, label_ids = tfds_reader.read_split(
        builder, "train", tfds_reader.OFFICIAL["mnist"]
    )
    np.testing.assert_array_equal(images, expected["image"])
    np.testing.assert_array_equal(label_ids, expected["label"])


def test_test_records_are_not_read_unless_asked_for(tiny_mnist):
    (path,) = tiny_mnist.rglob("mnist-test.tfrecord*")
    path.unlink()
    assert data.load("mnist", str(tiny_mnist)).test is None
    line = _error("mnist", str(tiny_mnist), with_test=True)
    assert "No such file" in line
    assert "expected 20 records in split 'test'" in line


def test_reading_is_silent(tiny_mnist, capfd, caplog):
    import absl.logging

    before = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.INFO)
    try:
        data.load("mnist", str(tiny_mnist))
        assert absl.logging.get_verbosity() == absl.logging.INFO
    finally:
        absl.logging.set_verbosity(before)
    out, err = capfd.readouterr()
    assert out == ""
    assert "mnist" not in err
    assert not caplog.records


def _cut_in_a_record(path):
    path.write_bytes(path.read_bytes()[:-7])


def _cut_between_records(path):
    size = int.from_bytes(path.read_bytes()[:8], "little") + 16
    path.write_bytes(path.read_bytes()[:size])


def _flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)


def _append_records(path):
    path.write_bytes(path.read_bytes() * 2)


def _write_other_images(path):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in _records(*_arrays(NUM_TRAIN, shape=(8, 8, 1))):
            writer.write(record)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut_in_a_record, "truncated record"),
        (_cut_between_records, "1 records in split 'train'"),
        (_flip_a_bit, "corrupted record"),
        (_append_records, "80 records in split 'train'"),
        (_write_other_images, "shape (40,8,8,1)"),
        (os.remove, "No such file"),
    ],
)
def test_damaged_records_are_one_line(tiny_mnist, damage, reason):
    path = _train_file(tiny_mnist)
    damage(path)
    line = _error("mnist", str(tiny_mnist))
    assert line.startswith(f"data in '{path.parent}' cannot be read (")
    assert reason in line.split("; ")[0]
    assert "expected 40 records in split 'train'" in line
    assert "--config.dataset.data_dir=DIR" in line


@pytest.mark.parametrize("content", [None, "", '{"name": "mni'])
def test_damaged_info_is_one_line(tiny_mnist, content):
    (path,) = tiny_mnist.rglob("dataset_info.json")
    path.unlink()
    if content is not None:
        path.write_text(content)
    line = _error("mnist", str(tiny_mnist))
    assert str(tiny_mnist / "mnist") in line
    assert "cannot be read" in line


def test_unknown_name_lists_the_choices():
    assert _error("svhn") == (
        "dataset.name is 'svhn'; expected one of digits, mnist, "
        "fashion_mnist, cifar10, cifar10_16, tfds:NAME, npz:PATH, "
        "folder:PATH, or package.module:function; "
        "set --config.dataset.name"
    )


def test_data_dir_must_be_a_directory(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for path in (file, tmp_path / "absent"):
        line = _error("mnist", str(path))
        assert line.startswith(f"dataset.data_dir '{path}' is not a directory")
    assert _files(tmp_path) == [file]


def test_absent_data_offline_is_one_line_and_leaves_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(requests, "head", _no_network)
    line = _error("mnist", str(tmp_path))
    assert line.startswith(f"dataset 'mnist' is not in '{tmp_path}' and could")
    assert "storage.googleapis.com" in line
    assert "expected a TFDS directory holding mnist/3." in line
    assert "TFDS_DATA_DIR" in line
    assert _files(tmp_path) == []


def test_failed_download_leaves_nothing(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def fail(self, dl_manager, **_):
        (self.data_path / "half").write_text("")
        raise OSError("connection\nreset; by peer")

    monkeypatch.setattr(requests, "head", lambda *_, **__: None)
    builder_cls = type(tfds.builder("mnist", data_dir=str(tmp_path)))
    monkeypatch.setattr(builder_cls, "_download_and_prepare", fail)
    assert "(connection reset, by peer)" in _error("mnist", str(tmp_path))
    assert _files(tmp_path) == []


def test_a_first_download_is_read_at_once(tmp_path, monkeypatch):
    """Into folders that it creates, of which none is empty then."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    builder_cls = type(tfds.builder("mnist", data_dir=str(tmp_path)))
    monkeypatch.setattr(builder_cls, "_split_generators", _tiny_splits)
    monkeypatch.setattr(requests, "head", lambda *_, **__: None)
    monkeypatch.setitem(tfds_reader.OFFICIAL, "mnist", _TINY)
    dataset = data.load("mnist", str(tmp_path))
    monkeypatch.setattr(requests, "head", _no_network)
    again = data.load("mnist", str(tmp_path))
    np.testing.assert_array_equal(dataset.train.images, again.train.images)
    assert len(dataset.validation.images) == NUM_VALIDATION


@pytest.mark.parametrize(
    ("name", "sizes", "shape"),
    [
        ("mnist", (50000, 10000, 10000), (28, 28, 1)),
        ("cifar10", (45000, 5000, 10000), (32, 32, 3)),
    ],
)
def test_real_data(name, sizes, shape):
    if REAL_DIR is None or not os.path.isdir(os.path.join(REAL_DIR, name)):
        pytest.skip(f"no {name} in GTN_TEST_DATA_DIR or TFDS_DATA_DIR")
    dataset = data.load(name, REAL_DIR, with_test=True)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert tuple(len(s.images) for s in splits) == sizes
    assert dataset.image_shape == shape
    assert dataset.augment == (name == "cifar10")
    published = {  # of the whole official training split
        "mnist": ([0.1307], [0.3081]),
        "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    }
    assert dataset.mean == pytest.approx(published[name][0], abs=5e-4)
    assert dataset.std == pytest.approx(published[name][1], abs=5e-4)


def test_halved_images_are_means_of_four_pixels():
    images = np.zeros((2, 4, 2, 1), np.uint8)
    images[0, :2, :, 0] = [[1, 2], [3, 3]]  # mean 2.25
    images[1, 2:, :, 0] = [[255, 255], [255, 253]]  # mean 254.5, no overflow
    halved = tfds_reader._halve(images)
    assert halved.dtype == np.uint8
    assert halved[..., 0].tolist() == [[[2], [0]], [[0], [255]]]


def test_halved_data_set_has_its_own_moments(monkeypatch):
    rng = np.random.default_rng(0)
    split = data.Split(
        rng.integers(0, 256, (50, 8, 8, 3), np.uint8),
        rng.integers(0, 10, 50, np.int32),
    )
    full = data.make_dataset(
        "cifar10", split, split, split, num_classes=10, augment=True
    )
    monkeypatch.setattr(tfds_reader, "load_official", lambda *_: full)
    halved = data.load("cifar10_16", with_test=True)
    assert (halved.name, halved.image_shape) == ("cifar10_16", (4, 4, 3))
    assert halved.augment
    scaled = halved.train.images / 255.0
    assert halved.mean == pytest.approx(scaled.mean((0, 1, 2)))
    assert halved.std == pytest.approx(scaled.std((0, 1, 2)))
    assert halved.std[0] < 0.6 * full.std[0]
    expected = (tfds_reader._halve(split.images), split.label_ids)
    for ours, theirs in zip(halved.test, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# Batches.


def test_normalize_by_hand():
    images = tf.constant([[[[0, 51, 255], [255, 102, 0]]]], tf.uint8)
    result = real_batches.normalize(images, (0.5, 0.2, 0.0), (0.5, 0.1, 2.0))
    assert result.dtype == tf.float32
    expected = [[[[-1.0, 0.0, 0.5], [1.0, 2.0, 0.0]]]]
    # (x / 255 - mean) / std of up to 1 / 0.1, but for the mean itself.
    assert_close(result, expected, num_roundings=3, scale=1 / 0.1)


def test_augment_gives_every_crop_of_every_image_evenly():
    num, height, width = 20, 5, 6
    pixels = np.arange(num * height * width * 2) % 251 + 1  # no black pixel
    images = pixels.reshape(num, height, width, 2).astype(np.uint8)
    padded = np.pad(images, [(0, 0), (4, 4), (4, 4), (0, 0)])
    crops = [{} for _ in range(num)]
    for i, row, column in np.ndindex(num, 9, 9):
        crop = padded[i, row : row + height, column : column + width]
        crops[i][crop.tobytes()] = row, column, 0
        crops[i][crop[:, ::-1].tobytes()] = row, column, 1
    assert all(len(c) == 162 for c in crops)
    augment = tf.function(real_batches.augment, autograph=False)
    found = []
    for seed in range(200):
        result = augment(tf.constant(images), _seed(seed, 7), 4).numpy()
        assert result.dtype == np.uint8
        drawn = [crops[i][result[i].tobytes()] for i in range(num)]
        assert len(set(drawn)) > num // 2  # every image has its own
        found += drawn
    found = np.array(found)  # 4000 draws
    assert abs(found[:, 2].mean() - 0.5) < 0.03  # 3.8 standard deviations
    for axis in (0, 1):
        counts = np.bincount(found[:, axis], minlength=9)
        assert len(counts) == 9
        # 444 expected, standard deviation 20.
        assert counts.min() > 360
        assert counts.max() < 530
    # Offsets and coin are independent draws.
    correlations = np.corrcoef(found.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.06


def _real(num_images=50, augment=True):
    """Image i is all 5 * i, and its label is i % 10."""
    label_ids = np.arange(num_images, dtype=np.int32)
    images = np.broadcast_to(
        (5 * label_ids).astype(np.uint8)[:, None, None, None],
        (num_images, 6, 6, 3),
    )
    split = data.Split(images, label_ids % 10)
    other = data.Split(images[:7], label_ids[:7])
    dataset = data.Dataset(
        name="x",
        num_classes=10,
        image_shape=(6, 6, 3),
        mean=(0.0, 0.1, 0.2),
        std=(1.0, 0.5, 0.25),
        augment=augment,
        train=split,
        validation=other,
        test=other,
    )
    return dataset, real_batches.device_split(dataset, "train")


def test_only_training_batches_are_augmented():
    dataset, real = _real()
    assert real.augment
    assert not real_batches.device_split(dataset, "validation").augment
    assert not real_batches.device_split(dataset, "test").augment
    assert not _real(augment=False)[1].augment
    seed = _seed(0, 1)
    plain = real_batches.sample_batch(
        real._replace(augment=False), seed, 30
    ).images
    cropped = real_batches.sample_batch(real, seed, 30).images
    assert tf.reduce_all(plain == plain[:, :1, :1])
    # Some image was shifted: black pixels beside its own colour.
    assert not tf.reduce_all(cropped == cropped[:, :1, :1])


def test_sample_batch_keeps_images_with_their_labels():
    _, real = _real(augment=False)
    counts = np.zeros(50, int)
    for seed in range(100):
        images, labels = real_batches.sample_batch(real, _seed(seed, 0), 40)
        assert images.dtype == labels.dtype == tf.float32
        assert images.shape == (40, 6, 6, 3)
        assert labels.shape == (40, 10)
        pixels = images.numpy() * real.std + real.mean
        index = np.round(pixels * 51).astype(int)  # 255 / 5
        assert (index == index[:, :1, :1, :1]).all()
        index = index[:, 0, 0, 0]
        np.testing.assert_array_equal(labels, np.eye(10)[index % 10])
        counts += np.bincount(index, minlength=50)
    # 80 expected of each image, standard deviation 9.
    assert counts.min() > 40
    assert counts.max() < 120


def test_balanced_batches_hold_all_classes_alike():
    _, real = _real(augment=False)
    # Of class 0 five images, of class 1 twenty, of class 2 twenty-five.
    label_ids = np.repeat(np.arange(3, dtype=np.int32), (5, 20, 25))
    order = np.random.default_rng(0).permutation(50)
    real = real._replace(label_ids=tf.constant(label_ids[order]), num_classes=3)
    sample = tf.function(
        real_batches.sample_balanced(real), autograph=False, jit_compile=False
    )
    counts, of_image = np.zeros(3), np.zeros(50)
    for seed in range(60):
        images, labels = sample(_seed(seed, 0), tf.constant(50))
        pixels = images.numpy() * real.std + real.mean
        index = np.round(pixels * 51).astype(int)[:, 0, 0, 0]
        np.testing.assert_array_equal(
            labels, np.eye(3)[label_ids[order][index]]
        )
        counts += labels.numpy().sum(0)
        of_image += np.bincount(index, minlength=50)
    # 1000 expected of each class, standard deviation 26.
    assert np.abs(counts - 1000).max() < 100
    # 200 expected of each image of class 0, standard deviation 13.
    assert np.abs(of_image[label_ids[order] == 0] - 200).max() < 55
    again = sample(_seed(3, 0), tf.constant(50))
    np.testing.assert_array_equal(
        again.images, sample(_seed(3, 0), tf.constant(50)).images
    )


def test_sample_batch_is_a_function_of_the_seed():
    _, real = _real()
    first, again = (
        real_batches.sample_batch(real, _seed(1, 2), 8) for _ in range(2)
    )
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.labels, again.labels)
    for seed in (_seed(1, 3), _seed(2, 2)):
        other = real_batches.sample_batch(real, seed, 8)
        assert not np.array_equal(first.images, other.images)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_equals_eager(jit_compile):
    _, real = _real()
    sample = tf.function(
        real_batches.sample_batch, autograph=False, jit_compile=jit_compile
    )
    for i in range(5):
        compiled = sample(real, _seed(i, 9), 8)
        eager = real_batches.sample_batch(real, _seed(i, 9), 8)
        np.testing.assert_array_equal(compiled.labels, eager.labels)
        # (x / 255 - mean) / std: compiled, products with reciprocals.
        scale = 1 / min(real.std)
        assert_close(compiled.images, eager.images, 6, scale)
    assert sample.experimental_get_tracing_count() == 1
