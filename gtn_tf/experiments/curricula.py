"""Which curriculum teaches best (Fig. 1c): five, each over GTN seeds.

Departure: the paper plots test accuracy over meta-steps; here the curve is
validation accuracy, and test data are read once, at the end.
"""

from pathlib import Path

from ml_collections import config_dict

from gtn_tf.config.choices import CURRICULA
from gtn_tf.experiments.trials import (
    make_trials,
    own_accuracies,
    run_trials,
)
from gtn_tf.statistics.over_seeds import (
    difference,
    mean_accuracy,
    of_arm,
)
from gtn_tf.types import InputError

_ACCURACY = mean_accuracy("test")
#: Test accuracy on MNIST after 2000 meta-steps, read off Fig. 1c (+-0.001).
PAPER = {
    "none": 0.957,
    "all_shuffled": 0.968,
    "shuffled_batch": 0.974,
    "full": 0.985,
}


def curricula(config: config_dict.ConfigDict, folder: Path) -> dict:
    """Returns test accuracy by curriculum, and `full` minus each other.

    Raises:
      InputError: the config's source has no curriculum.
    """
    if config.source != "gtn":
        raise InputError(
            f"experiment 'curricula' with source {config.source!r}; expected "
            "'gtn', as no other source has all curricula; set "
            "--config.source=gtn"
        )
    arms = {name: {"curriculum.name": name} for name in CURRICULA}
    trials = make_trials(config, arms)
    results = run_trials(trials, folder, own_accuracies("test"))
    return {
        "arms": {
            name: {
                **of_arm(results, name, _ACCURACY),
                "paper": PAPER.get(name),
            }
            for name in CURRICULA
        },
        "differences": {
            f"full - {name}": difference(results, "full", name, _ACCURACY)
            for name in CURRICULA
            if name != "full"
        },
        "results": results,
    }
