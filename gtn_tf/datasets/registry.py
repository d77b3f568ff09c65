"""The data sets that `dataset.name` names; no TensorFlow here."""

_TFDS = "gtn_tf.datasets.tfds"

#: Name -> loader, (name, data_dir, split_seed, with_test) -> `Dataset`.
DATASETS = {
    "digits": "gtn_tf.datasets.digits:load_digits",
    "mnist": f"{_TFDS}:load_official",
    "fashion_mnist": f"{_TFDS}:load_official",
    "cifar10": f"{_TFDS}:load_official",
    "cifar10_16": f"{_TFDS}:load_halved",
}
