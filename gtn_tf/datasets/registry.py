"""What `dataset.name` may be; no TensorFlow here."""

_TFDS = "gtn_tf.datasets.tfds"

#: Name -> loader, (`loading.DatasetSpec`, with_test) -> `Dataset`.
DATASETS = {
    "digits": "gtn_tf.datasets.digits:load_digits",
    "mnist": f"{_TFDS}:load_official",
    "fashion_mnist": f"{_TFDS}:load_official",
    "cifar10": f"{_TFDS}:load_official",
    "cifar10_16": f"{_TFDS}:load_halved",
}

#: SCHEME of `SCHEME:WHERE` -> loader of data that are found there.
SCHEMES = {
    "tfds": "gtn_tf.datasets.any_tfds:load_tfds",
    "npz": "gtn_tf.datasets.npz:load_npz",
    "folder": "gtn_tf.datasets.image_folder:load_folder",
}

#: The names with a scheme, in words.
SCHEME_FORMS = "tfds:NAME, npz:PATH, folder:PATH"


def split_scheme(name: str) -> tuple[str | None, str]:
    """Returns (scheme, where) of `scheme:where`, else (None, name)."""
    scheme, colon, where = name.partition(":")
    if colon and where and scheme in SCHEMES:
        return scheme, where
    return None, name
