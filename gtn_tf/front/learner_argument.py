"""`learner=` of `gtn_tf.fit`: names and functions, as a config has them."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras

from gtn_tf.given import Given, give
from gtn_tf.import_paths import import_attribute, is_import_path
from gtn_tf.learners.identity import network_digest
from gtn_tf.learners.own_networks import build_own_network
from gtn_tf.learners.undoing import changes_undone
from gtn_tf.types import PERSONS_ERRORS, InputError, one_line

#: What `gtn_tf.fit` takes for one learner.
LearnerArgument = str | Callable[..., keras.Model]
#: What it takes for `learner`.
LearnerArguments = (
    LearnerArgument | list[LearnerArgument] | tuple[LearnerArgument, ...]
)


def listed_learners(learner: LearnerArguments) -> list[LearnerArgument]:
    """Returns one or several as a list."""
    return list(learner) if isinstance(learner, list | tuple) else [learner]


def learner_names(
    learner: LearnerArguments,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> str:
    """Returns what `learner.name` is set to.

    A function that its module holds by name goes by that name, and any other
    by `gtn_tf.given`, under a hash of the network that it makes.

    Args:
      learner: one or a list of: a name that `learner.name` takes, or a
        function of no arguments, or of (image_shape, num_classes), that makes
        a Keras model.
      image_shape: (H, W, C) of the data.
      num_classes: K of the data.

    Raises:
      InputError: a model in place of what builds it, or a network that cannot
        be trained; see `learners.own_networks`.
    """
    listed = listed_learners(learner)
    if not listed:
        raise InputError(
            "learner is empty; expected a function that makes a Keras model, a "
            "name, or a list of them; give one"
        )
    names = [
        one if isinstance(one, str) else _path_of(one, image_shape, num_classes)
        for one in listed
    ]
    return ",".join(names)


@changes_undone()
def _path_of(
    build: Any, image_shape: tuple[int, int, int], num_classes: int
) -> str:
    """Looks at one function's network; returns the function's import path."""
    name = getattr(build, "__qualname__", type(build).__name__)
    is_function = callable(build) and not isinstance(build, keras.Model)
    made: list[keras.Model] = []

    def once() -> keras.Model:
        made.append(_call(build, image_shape, num_classes))
        return made[0]

    try:
        build_own_network(
            once if is_function else build, image_shape, num_classes
        )
        # It is built again to be trained, and once more to be exported.
        again = functools.partial(_call, build, image_shape, num_classes)
        _check_other(made[0], again)
    except InputError as error:
        raise InputError(f"learner {name}: {error}") from error
    path = f"{getattr(build, '__module__', None)}:{name}"
    if not _takes_nothing(build) and _leads_to(path, build):
        return path
    digest = network_digest(made[0])
    code = getattr(build, "__code__", None)
    facts = {
        "function": path,
        "file": code and f"{code.co_filename}:{code.co_firstlineno}",
        "network_sha256": digest,
        "num_weights": made[0].count_params(),
    }
    thing = functools.partial(_call, build)
    return give(name.rpartition(".")[2], digest, Given(thing, facts))


def _check_other(first: keras.Model, again: Callable[[], Any]) -> None:
    """Refuses a builder whose networks are one, or share layers."""
    try:
        second = again()
        layers = second._flatten_layers()
    except PERSONS_ERRORS as error:
        raise InputError(
            f"its second call raised {type(error).__name__} "
            f"({one_line(error)}); expected a new network at each call; "
            "correct the function"
        ) from error
    known = {id(layer) for layer in first._flatten_layers()}
    for layer in layers:
        if id(layer) in known and layer.weights:
            raise InputError(
                f"layer '{layer.name}' ({type(layer).__name__}) is in two "
                "networks of the builder; expected new layers at each call; "
                "make them in the function"
            )


def _call(
    build: Callable[..., keras.Model],
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> keras.Model:
    if _takes_nothing(build):
        return build()
    return build(image_shape, num_classes)


def _takes_nothing(build: Callable[..., keras.Model]) -> bool:
    """Whether a function can be called without arguments."""
    try:
        inspect.signature(build).bind()
    except (TypeError, ValueError):  # it needs some, or says nothing of them
        return False
    return True


def _leads_to(path: str, build: Callable[..., keras.Model]) -> bool:
    """Whether another process finds this function by its path."""
    if path.startswith("__main__:") or not is_import_path(path):
        return False
    try:
        return import_attribute(path, "learner.name") is build
    except InputError:
        return False
