"""Distributions over the decisions of a space, with a vector of parameters.

NumPy only, in float64: a draw of 40 decisions is too small for a graph.

Shapes: T decisions of n_t options, H units.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

_HIDDEN = 64  # as in ENAS
_LOGIT_SCALE = 1e-3
_UNIFORM = 0.1

#: What takes one of the options: (decision, probabilities [n_t]) -> option.
_Choose = Callable[[int, np.ndarray], int]


class Policy(Protocol):
    """Made of the number of options of each decision."""

    def init(self, rng: np.random.Generator) -> np.ndarray:
        """Draws the parameters, a vector."""

    def sample(self, params: np.ndarray, rng: np.random.Generator) -> list[int]:
        """Draws an option for each decision."""

    def gradient(
        self, params: np.ndarray, options: Sequence[int]
    ) -> np.ndarray:
        """Returns the gradient of the log probability of these options."""

    def log_p(self, params: np.ndarray, options: Sequence[int]) -> float:
        """Returns the log probability of these options."""


class Logits:
    """Independent decisions: the parameters are their logits, one by one."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._ends = np.cumsum(numbers)[:-1]
        self._size = sum(numbers)

    def init(self, rng: np.random.Generator) -> np.ndarray:
        """See `Policy`."""
        return _LOGIT_SCALE * rng.standard_normal(self._size)

    def sample(self, params: np.ndarray, rng: np.random.Generator) -> list[int]:
        """See `Policy`."""
        return [_draw(softmax(z), rng) for z in np.split(params, self._ends)]

    def gradient(
        self, params: np.ndarray, options: Sequence[int]
    ) -> np.ndarray:
        """See `Policy`."""
        parts = np.split(params, self._ends)
        return np.concatenate(
            [
                _one_hot(option, z) - softmax(z)
                for option, z in zip(options, parts, strict=True)
            ]
        )

    def log_p(self, params: np.ndarray, options: Sequence[int]) -> float:
        """See `Policy`."""
        parts = map(softmax, np.split(params, self._ends))
        chosen = [p[o] for p, o in zip(parts, options, strict=True)]
        return float(np.log(chosen).sum())


class Recurrent:
    """An LSTM that is told each decision before the next one.

    As the controller of NASNet: one layer, a softmax and an embedding per
    decision; all parameters begin uniform in [-0.1, 0.1]. That of ENAS attends
    over earlier nodes to choose inputs.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = tuple(numbers)
        hidden = _HIDDEN
        self._shapes: dict[Any, tuple[int, ...]] = {
            "start": (hidden,),
            "kernel": (2 * hidden, 4 * hidden),
            "bias": (4 * hidden,),
        }
        for step, number in enumerate(numbers):
            self._shapes["head", step] = (hidden, number)
            self._shapes["embedding", step] = (number, hidden)

    def init(self, rng: np.random.Generator) -> np.ndarray:
        """See `Policy`."""
        size = sum(math.prod(shape) for shape in self._shapes.values())
        return rng.uniform(-_UNIFORM, _UNIFORM, size)

    def sample(self, params: np.ndarray, rng: np.random.Generator) -> list[int]:
        """See `Policy`."""
        steps = self._run(self._views(params), lambda _, p: _draw(p, rng))
        return [step["option"] for step in steps]

    def gradient(
        self, params: np.ndarray, options: Sequence[int]
    ) -> np.ndarray:
        """See `Policy`; backwards through time."""
        own = self._views(params)
        steps = self._run(own, lambda step, _: options[step])
        found = np.zeros_like(params)
        to = self._views(found)
        to_state, to_cell = np.zeros(_HIDDEN), np.zeros(_HIDDEN)
        for number in reversed(range(len(steps))):
            step = steps[number]
            to_logits = _one_hot(step["option"], step["p"]) - step["p"]
            to["head", number] += np.outer(step["state"], to_logits)
            to_state = to_state + own["head", number] @ to_logits
            i, f, o, g = step["gates"]
            active = np.tanh(step["cell"])
            to_cell = to_cell + to_state * o * (1 - active**2)
            to_gates = np.concatenate(
                [
                    to_cell * g * i * (1 - i),
                    to_cell * step["cell_before"] * f * (1 - f),
                    to_state * active * o * (1 - o),
                    to_cell * i * (1 - g**2),
                ]
            )
            to["kernel"] += np.outer(step["inputs"], to_gates)
            to["bias"] += to_gates
            to_inputs = own["kernel"] @ to_gates
            to_state, to_cell = to_inputs[_HIDDEN:], to_cell * f
            if number:
                before = steps[number - 1]["option"]
                to["embedding", number - 1][before] += to_inputs[:_HIDDEN]
            else:
                to["start"] += to_inputs[:_HIDDEN]
        return found

    def log_p(self, params: np.ndarray, options: Sequence[int]) -> float:
        """See `Policy`."""
        steps = self._run(self._views(params), lambda step, _: options[step])
        return float(sum(np.log(step["p"][step["option"]]) for step in steps))

    def _run(self, own: dict, choose: _Choose) -> list[dict[str, Any]]:
        """Takes all decisions; returns what each one was computed of."""
        steps = []
        told, state, cell = own["start"], np.zeros(_HIDDEN), np.zeros(_HIDDEN)
        for number in range(len(self._numbers)):
            inputs = np.concatenate([told, state])
            z = np.split(inputs @ own["kernel"] + own["bias"], 4)
            i, f, o = (1 / (1 + np.exp(-x)) for x in z[:3])
            g, cell_before = np.tanh(z[3]), cell
            cell = f * cell + i * g
            state = o * np.tanh(cell)
            p = softmax(state @ own["head", number])
            option = choose(number, p)
            told = own["embedding", number][option]
            steps.append(
                {
                    **{"inputs": inputs, "gates": (i, f, o, g), "p": p},
                    **{"cell_before": cell_before, "cell": cell},
                    **{"state": state, "option": option},
                }
            )
        return steps

    def _views(self, vector: np.ndarray) -> dict[Any, np.ndarray]:
        """Returns a vector's parts; what is added to them is added to it."""
        views, begin = {}, 0
        for name, shape in self._shapes.items():
            end = begin + math.prod(shape)
            views[name] = vector[begin:end].reshape(shape)
            begin = end
        return views


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities [n] of logits [n]."""
    shifted = np.exp(logits - logits.max())
    return shifted / shifted.sum()


def _draw(probabilities: np.ndarray, rng: np.random.Generator) -> int:
    place = np.searchsorted(np.cumsum(probabilities), rng.random(), "right")
    return min(int(place), len(probabilities) - 1)  # the sum is 1 to rounding


def _one_hot(option: int, like: np.ndarray) -> np.ndarray:
    found = np.zeros_like(like)
    found[option] = 1.0
    return found
