"""Hand-made result.json of every experiment."""

import json
import math

import numpy as np
from PIL import Image

from gtn_tf.runtime.files import to_json


def _row(mean, **more):
    ci95 = None if mean is None else (mean - 0.1, mean + 0.1)
    return {
        "mean": mean,
        "std": 0.1,
        "ci95": ci95,
        "num_seeds": 3,
        "num_failed": 0,
        **more,
    }


def _size(source, steps, batch, accuracy):
    gap = {"minus_real": {"mean": 0.1357, "ci95": (0.1, 0.2)}}
    return (gap if source == "sample" else {}) | {
        "source": source,
        "num_steps": steps,
        "batch_size": batch,
        "accuracy": accuracy,
        "ci95": (accuracy - 0.02, accuracy + 0.02),
        "num_seeds": 1,
    }


def _trial(arm, pair, loss=1.0):
    return {
        "arm": arm,
        "pair": pair,
        "status": "ok" if loss is not None else "diverged",
        "final_meta_loss": loss,
        "validation_accuracy": [[2, 0.3], [4, 0.5 + 0.01 * pair]],
    }


_CURRICULA = ("full", "shuffled_batch", "all_shuffled", "none", "fixed_noise")
_PARTS = {
    "few_step": {
        "source": "gtn",
        "num_steps": 2,
        "num_seeds": 3,
        "num_failed": 1,
        "accuracy": 0.7,
        "ci95": (0.65, 0.75),
        "accuracy_per_step": [0.5, 0.7],
        "ci95_per_step": [[0.4, 0.6], [0.65, 0.75]],
        "real": [
            {
                "num_steps": n,
                "accuracy": a,
                "ci95": (a - 0.1, a + 0.1),
                "num_seeds": 3,
            }
            for n, a in ((2, 0.4), (4, 0.6), (8, 0.8))
        ],
        "is_at_most": False,
        "real_steps_needed": 5.6569,
        "real_steps_needed_ci95": [4.2, None],
        "speed_up": 2.8284,
        "speed_up_ci95": [2.1, None],
        "results": [],
    },
    "curricula": {
        "arms": {
            name: _row(0.9 if name == "full" else 0.8, paper=0.957)
            for name in _CURRICULA[:-1]
        }
        | {"fixed_noise": _row(None, paper=None)},
        "differences": {
            "full - none": {"mean": 0.1234, "ci95": None, "num_pairs": 1}
        },
        "results": [_trial(name, p) for name in _CURRICULA for p in (0, 1)],
    },
    "weight_norm": {
        "chance_meta_loss": math.log(10),
        "arms": {
            arm: {
                "num_draws": 3,
                "share_diverged": share,
                "share_no_better_than_chance": share,
                "best": 0.5,
                "quartiles": [0.6, 0.7891, 0.9],
                "std_of_finite": 0.1,
            }
            for arm, share in (("weight_norm", 0.0), ("plain", 1 / 3))
        },
        "log_ratio": {
            "mean": math.log(0.8321),
            "ci95": (math.log(0.5), math.log(1.25)),
            "num_pairs": 2,
        },
        "signs": {"lower": 2, "higher": 1, "p_value": 0.9876},
        "resampled": {
            "median": {"difference": -0.4567, "ci95": ("-inf", 0.25)},
            "share_diverged": {"difference": -0.1, "ci95": (-0.5, 0.5)},
        },
        "results": [
            *(_trial("weight_norm", i, 0.5 + i) for i in range(3)),
            *(_trial("plain", i, loss) for i, loss in enumerate((1, 2, None))),
        ],
    },
    "transfer": {
        "own": "mlp",
        "pool": ["mlp"],
        "chosen_by": {
            "own": _row(0.6543),
            "pool": _row(None, num_failed=2),
        },
        "arms": {
            arm: {"mlp": _row(0.8765), "conv2_pool": _row(None)}
            for arm in ("own", "pool")
        },
        "held_out": ["conv2_pool"],
        "chosen_by_minus_own": {
            "pool": {"mean": 0.0321, "ci95": (-0.01, 0.0742), "num_pairs": 2}
        },
        "differences": {
            "own - real": {
                "mlp": {"mean": 0.0456, "ci95": None, "num_pairs": 1},
                "conv2_pool": None,
            }
        },
        "results": [],
    },
    "more_data": {
        "num_steps": 2,
        "batch_size": 10,
        "num_failed": 0,
        "sizes": [
            _size("repeat", 2, 10, 0.6),
            _size("sample", 2, 10, 0.6),
            _size("real_tuned", 2, 10, 0.5),
            _size("sample", 4, 10, 0.7),
            _size("sample", 2, 20, 0.7321),
            _size("endless", 2, 20, 0.65),
        ],
        "ensembles": {
            "repeat": [
                {"num_learners": 1, "accuracy": 0.6, "ci95": (0.5, 0.7)},
                {"num_learners": 2, "accuracy": 0.65, "ci95": None},
            ]
        },
        "results": [],
    },
    "any_network": {
        "source": "gtn",
        "networks": ["conv", "mlp"],
        "setup_seconds": {
            "plain: own rates": 321.4,
            "plain: best multiple": 345.0,
            "real_subset": 54.0,
            "real_tuned": None,
        },
        "accuracies": {
            "plain: own rates": {
                "conv": _row(0.7111),
                "mlp": _row(0.6),
                "mean of all": _row(0.65),
            },
            "plain: best multiple": {
                "conv": _row(0.8222),
                "mlp": _row(None),
                "mean of all": _row(None, num_failed=1),
            },
            **{
                real: dict.fromkeys(("conv", "mlp", "mean of all"), _row(0.75))
                for real in ("real_subset", "real_tuned")
            },
        },
        "differences": {
            f"plain: best multiple - {real}": {
                "conv": {"mean": 0.07, "ci95": (0.01, 0.13), "num_pairs": 2},
                "mlp": {"mean": -0.02, "ci95": (-0.04, -0.01), "num_pairs": 2},
                "mean of all": {
                    "mean": 0.0234,
                    "ci95": (-0.0066, 0.0534),
                    "num_pairs": 2,
                },
            }
            for real in ("real_subset", "real_tuned")
        },
        "results": [],
    },
    "any_ranking": {
        "source": "gtn",
        "networks": ["a", "b", "c", "d"],
        "truth": [0.5, 0.6, 0.7, None],
        "rank_correlations": {
            "params": {
                **_row(0.3456),
                "ci95": (0.2, 0.4),
                "of_each_seed": [0.3456],
            },
            "gtn, accuracy": {
                **_row(0.6123),
                "of_each_seed": [0.5, 0.6123, 0.72],
            },
            "real, accuracy": {**_row(None), "of_each_seed": [None] * 3},
        },
        "differences": {
            "gtn, accuracy - params": {"mean": 0.2667, "ci95": (0.1, 0.4)},
            "gtn, accuracy - real, accuracy": {"mean": None, "ci95": None},
        },
        "seconds": {"gtn": 50.0, "real": 6.0, "real_subset": 7.0},
        "meta_training_seconds": 123.4,
        "results": [],
    },
    "search_methods": {
        "space": "nb201",
        "truth": "table",
        "seconds": 100.0,
        "num_proposals": 25,
        "select_top": 10,
        "prices": {
            "gtn": {"setup": 60.5, "price": 0.25},
            "params": {"setup": 0.0, "price": 1e-5},
        },
        "searches": [
            *(
                {
                    **{"strategy": "random", "evaluator": "gtn", "seed": seed},
                    **{"seconds": [61.0, 62.0], "truths": [88.0, pick]},
                    **{"pick": pick, "num": 25, "num_different": 24},
                }
                for seed, pick in enumerate((90.0, 91.0))
            ),
            {
                **{"strategy": "random", "evaluator": "params", "seed": 0},
                **{"seconds": [], "truths": [], "pick": None},
                **{"num": 0, "num_different": 0},
            },
            {
                **{"strategy": "darts", "evaluator": None, "seed": 0},
                **{"seconds": [77.0], "truths": [85.5], "pick": 85.5},
                **{"first": 54.3, "num_different": 1},
                "cells": [
                    "|skip_connect~0|+|skip_connect~0|nor_conv_3x3~1|+"
                    "|skip_connect~0|none~1|skip_connect~2|"
                ],
            },
        ],
        "ranking": {
            "num_cells": 50,
            "evaluators": {
                name: {
                    **{"spearman": value, "spearman_ci95": [0.3, 0.8]},
                    **{"kendall": 0.41, "kendall_ci95": [0.2, 0.6]},
                }
                for name, value in (("gtn", 0.66), ("params", 0.55))
            },
            "differences": {
                "gtn - params": {"spearman": 0.11, "ci95": [-0.05, 0.25]}
            },
        },
    },
    "ablation": {
        "source": "gtn",
        "meta_steps": 600,
        "arms": {
            "plain": _row(0.8123, seconds=61.0),
            "meta.batch_size=256": _row(0.8432, seconds=75.4),
            "inner.learning_rate=9": _row(None, seconds=None, num_failed=3),
        },
        "differences": {
            "meta.batch_size=256": {
                "mean": 0.0309,
                "ci95": (0.0101, 0.0517),
                "num_pairs": 2,
            },
            "inner.learning_rate=9": None,
        },
        "results": [],
    },
}

RESULTS = {
    name: to_json({"experiment": name, "dataset": "digits", **parts})
    for name, parts in _PARTS.items()
}


def write_experiments(workdir, **results):
    """Writes experiments/NAME/result.json of each."""
    for name, result in results.items():
        folder = workdir / "experiments" / name
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(result))


def is_drawn(path):
    """Whether a file is a PNG with more than a few shades."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return len(np.unique(np.asarray(image.convert("L")))) > 20
