"""The learners that a config names, and their widths."""

from ml_collections import config_dict

from gtn_tf.config.fields import is_int
from gtn_tf.learners.registry import CELL


def learner_names(config: config_dict.ConfigDict) -> list[str]:
    """Returns the entries of `learner.name`, or the pool in their place."""
    if config.learner.pool is not None:
        return [config.learner.pool]
    return [name.strip() for name in config.learner.name.split(",")]


def learner_widths(config: config_dict.ConfigDict) -> list[tuple | None]:
    """Returns the widths of each of `learner_names`."""
    num_families = len(learner_names(config))
    if num_families == 1:
        return [config.learner.widths]
    return list(config.learner.widths or [None] * num_families)


def has_drawn_widths(config: config_dict.ConfigDict) -> bool:
    """Returns whether a family's widths, or another's, are drawn."""
    return any(
        not is_int(width)
        for widths in (*learner_widths(config), *transfer_widths(config))
        for width in widths or ()
    )


def has_cells(config: config_dict.ConfigDict) -> bool:
    """Returns whether family cell is among the learners, or the others."""
    return CELL in (*learner_names(config), *config.evaluation.learners)


def transfer_widths(config: config_dict.ConfigDict) -> list[tuple | None]:
    """Returns the widths of each family of `evaluation.learners`."""
    num_families = len(config.evaluation.learners)
    return list(config.evaluation.widths or [None] * num_families)
