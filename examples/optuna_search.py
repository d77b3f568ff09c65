"""Optuna proposes networks, a GTN scores them: seconds a trial.

pip install optuna
python examples/optuna_search.py
"""

import keras
import optuna

import gtn_tf


def build(trial: optuna.Trial) -> keras.Model:
    """Makes the network of one trial: 8x8 digits to logits."""
    layers = [keras.Input((8, 8, 1))]
    for number in range(trial.suggest_int("num_convolutions", 1, 3)):
        width = trial.suggest_int(f"width_{number}", 4, 32, log=True)
        layers.append(keras.layers.Conv2D(width, 3, padding="same"))
        layers.append(keras.layers.ReLU())
    layers += [keras.layers.Flatten(), keras.layers.Dense(10)]
    return keras.Sequential(layers)


def search(num_trials: int, teacher: str = "gtn:digits_any") -> optuna.Study:
    """Searches; the study's value is the GTN's score."""
    loaded = gtn_tf.load(teacher)

    def score(trial: optuna.Trial) -> float:
        # NaN, where a training diverges, Optuna counts as a failed trial.
        return gtn_tf.nas.rank([lambda: build(trial)], loaded)[0]

    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0)
    )
    # A network that is refused is a failed trial too.
    refused = (gtn_tf.types.InputError,)
    study.optimize(score, n_trials=num_trials, catch=refused)
    return study


if __name__ == "__main__":
    found = search(num_trials=30)
    print(found.best_value, found.best_params)
