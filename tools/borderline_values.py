"""Settings of a single key at the border of what it can be, and beyond."""

from gtn_tf.config import FIELDS

#: Of a whole number, and of any other; as they are written on a command line.
_WHOLE = ("0", "-1", "1", "100000000", str(2**31), str(10**12), str(2**63))
_REAL = ("0.0", "-1.0", "1e-300", "0.9999999", "3e38", "1e400", "nan")
#: What a key needs in order to have any effect.
_CELL = ("--config.learner.name=cell", "--config.learner.widths=None")
_FIXED_CELL = (*_CELL, "--config.learner.genotype=GTN-fixed")
_NB201 = ("--config.search.space=nb201", "--config.search.num_cells=1")
_NEEDS = {
    "search.evolution": ("--config.search.strategy=evolution",),
    "search.reinforce": ("--config.search.strategy=reinforce",),
    "search.nao.": ("--config.search.strategy=nao",),
    "search.nao_ws": (*_NB201, "--config.search.strategy=nao_ws"),
    "search.ghn": (*_NB201, "--config.search.evaluators=('ghn','params')"),
    "search.darts": (*_NB201, "--config.search.strategy=darts"),
    "search.enas": (*_NB201, "--config.search.strategy=enas"),
    "search.supernet": (
        *_NB201,
        "--config.search.evaluators=('supernet','params')",
    ),
    "search.select_top": ("--config.search.guide=params",),
    "warm_start.fit": ("--config.warm_start.num_images=20",),
    "learner.pool_num": (
        "--config.learner.pool=ordinary",
        "--config.learner.widths=None",
    ),
    "learner.num_genotypes": _CELL,
    "learner.num_nodes": (*_CELL, "--config.learner.num_genotypes=1"),
    "learner.num_cells": _FIXED_CELL,
    "learner.channels": _FIXED_CELL,
    "evaluation.num_seeds": ("--config.evaluation.experiment=few_step",),
    "evaluation.num_draws": ("--config.evaluation.experiment=weight_norm",),
    "evaluation.widths": ("--config.evaluation.learners=('mlp',)",),
}


def borderline() -> list[tuple[str, str, tuple[str, ...]]]:
    """Returns (mode, KEY=VALUE, further flags) of all keys that are numbers."""
    found = []
    for key, field in FIELDS.items():
        samples = (1, 2, 0.5, (1,), (1, 1), (0.5,), ((1, 1),))
        valid = [sample for sample in samples if field.is_valid(sample)]
        if not valid:
            continue
        is_whole = 0.5 not in valid and (0.5,) not in valid
        of_group = {"evaluation": "evaluate", "search": "search"}
        of_group["retrain"] = "retrain"
        mode = of_group.get(key.partition(".")[0], "pretrain")
        needs = [v for start, v in _NEEDS.items() if key.startswith(start)]
        for number in _WHOLE if is_whole else _REAL:
            value = number
            if isinstance(valid[0], tuple):
                # Learners' widths: as many as the layers of the family.
                count = 2 if "widths" in key else len(valid[0])
                value = f"({(number + ',') * count})"
            if key == "evaluation.widths":
                value = f"({value},)"
            found.append((mode, f"{key}={value}", *(needs or [()])))
    return found
