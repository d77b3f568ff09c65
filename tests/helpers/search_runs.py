"""A search of seconds, and what may happen to it; see `tiny`."""

import csv
import os
from pathlib import Path
from typing import NamedTuple

from ml_collections import config_dict

from tests.helpers import tiny

NUM_ARCHITECTURES = 4


def get_config() -> config_dict.ConfigDict:
    config = tiny.get_config()
    config.inner.num_steps = 3
    config.search.num_architectures = NUM_ARCHITECTURES
    config.search.num_nodes = 1
    config.search.num_cells = 0
    config.search.channels = 2
    config.search.evaluators = ("params", "flops")
    config.search.truth_batch_size = 20
    config.search.interpret = False
    return config


def sample_architectures(config: config_dict.ConfigDict) -> dict:
    """Returns what strategy `random` draws, by key."""
    from gtn_tf.search_spaces.cells.space import SearchSpace

    space = SearchSpace(config.search.num_nodes, config.search.ops)
    wanted = config.search.num_architectures
    return space.sample_different(wanted, (config.seed,), "a.b")


def write_truth(path: Path, num_missing: int = 0) -> list[str]:
    """Writes accuracies 0.1, 0.2, ..; returns the keys in their order."""
    genotypes = sample_architectures(get_config())
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("genotype", "score"))
        for number, genotype in enumerate(genotypes.values(), start=1):
            if number > num_missing:
                writer.writerow((genotype.to_text(), number / 10))
    return list(genotypes)


class SignalAfter(NamedTuple):
    """A hook: the process sends itself a signal after so many results."""

    num_results: int
    number: int

    def __call__(self) -> None:
        from gtn_tf.nas import search

        class Store(search.JobStore):
            num_put = 0

            def put(store, key: str, result: dict) -> None:
                super().put(key, result)
                Store.num_put += 1
                if Store.num_put == self.num_results:
                    os.kill(os.getpid(), self.number)

        search.JobStore = Store


class CountJobs(NamedTuple):
    """A hook: the process writes a line per job that it does."""

    path: Path

    def __call__(self) -> None:
        from gtn_tf.nas.worker import Worker

        do = Worker.do

        def count(worker: Worker, job: dict) -> dict:
            with self.path.open("a") as file:
                file.write(f"{job['evaluator']} {job['genotype']}\n")
            return do(worker, job)

        Worker.do = count


class FailOn(NamedTuple):
    """A hook: networks of a genotype cannot be built."""

    genotype: str

    def __call__(self) -> None:
        from gtn_tf.search_spaces.cells import search_networks

        build = search_networks.build_cell_network

        def fail(genotype: object, *arguments: object) -> object:
            if genotype.to_text() == self.genotype:
                raise MemoryError("out of memory")
            return build(genotype, *arguments)

        search_networks.build_cell_network = fail


class ShowEveryResult:
    """A hook: a live table after each evaluation."""

    def __call__(self) -> None:
        from gtn_tf.nas import loop

        loop._TABLE_SECONDS = 0.0
