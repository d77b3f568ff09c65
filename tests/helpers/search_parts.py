"""A space, a strategy and an evaluator that a config names by import path.

No file of the package knows of them. The space is {0, .., 9}^4; an
architecture is the better, the nearer its digits are to 6, 2, 9, 4.
"""

import time

import numpy as np

from gtn_tf.nas.evaluators.evaluator import Evaluator, untrained
from gtn_tf.search_spaces.protocol import Space

BEST = (6, 2, 9, 4)


class Digits(Space):
    """Four digits."""

    def __init__(self, num_nodes, ops):
        self.num_nodes = num_nodes

    def decisions(self):
        return (10,) * len(BEST)

    def sample(self, seed):
        rng = np.random.default_rng(seed)
        return tuple(map(int, rng.integers(self.decisions())))

    def encode(self, architecture):
        return architecture

    def decode(self, options):
        return tuple(options)

    def to_text(self, architecture):
        return "".join(map(str, architecture))

    def from_text(self, text):
        return tuple(map(int, text))


class Distance(Evaluator):
    """The negative distance to the best; 0000 and 1111 cannot be scored."""

    def evaluate(self, job, session):
        began = time.perf_counter()
        if len(set(job.architecture)) == 1:
            raise MemoryError("all digits alike")
        distance = np.subtract(job.architecture, BEST)
        return untrained(-float(np.abs(distance).sum()), began)


class Largest(Evaluator):
    """The largest digit: what else can be said of it."""

    def evaluate(self, job, session):
        return untrained(max(job.architecture), time.perf_counter())


class Climber:
    """Mutates the best so far; up to 3 proposals are open."""

    adapts = True

    def init(self, space, seed):
        return {"seed": seed, "num_asked": 0}

    def num_asked(self, num_open, num_left):
        return min(3 - num_open, num_left)

    def ask(self, space, state, history, count):
        known = [told for told in history if told.score is not None]
        numbers = range(state["num_asked"], state["num_asked"] + count)
        if known:
            best = max(known, key=lambda told: told.score)
            parent = space.from_text(best.architecture)
            found = [space.mutate(parent, (state["seed"], n)) for n in numbers]
        else:
            found = [space.sample((state["seed"], n)) for n in numbers]
        state = {**state, "num_asked": state["num_asked"] + count}
        return state, [space.to_text(architecture) for architecture in found]

    def tell(self, space, state, told):
        return state
