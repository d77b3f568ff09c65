"""A search among NAS-Bench-201's cells, of seconds; see `search_runs`."""

import contextlib
from collections.abc import Iterator
from unittest import mock

from ml_collections import config_dict

from gtn_tf.nas.first_training import steps_per_epoch
from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import search_spec
from gtn_tf.nas.weight_training import Stepper
from tests.helpers import search_runs


def get_config() -> config_dict.ConfigDict:
    config = search_runs.get_config()
    config.search.space = "nb201"
    config.search.num_cells = 1
    config.search.interpret = True
    config.search.evaluators = ("supernet",)
    config.search.truth = "params"
    config.search.real_batch_size = 300
    config.search.real_learning_rate = 0.05
    config.search.supernet.num_epochs = 2
    return config


def session(**changes: object) -> Session:
    """Returns a session of such a search, with other values by key."""
    config = get_config()
    config.update_from_flattened_dict(
        {key.replace("__", "."): value for key, value in changes.items()}
    )
    spec = search_spec(config)
    return Session(spec, spec.make_space())


class Killed(Exception):
    """Ends the training of weights in its second epoch."""


@contextlib.contextmanager
def killed_in_second_epoch(session: Session) -> Iterator[None]:
    """Raises `Killed` from the training of weights within."""
    step = Stepper.__call__
    per_epoch = steps_per_epoch(session, len(session.data.train.images))

    def take_step(self: Stepper, number: int) -> object:
        if number == per_epoch + 2:
            raise Killed
        return step(self, number)

    with mock.patch.object(Stepper, "__call__", take_step):
        yield
