"""A search among NAS-Bench-201's cells, of seconds; see `search_runs`."""

from ml_collections import config_dict

from gtn_tf.nas.session import Session
from gtn_tf.nas.spec import search_spec
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
