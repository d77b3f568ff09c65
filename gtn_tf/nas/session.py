"""What a process keeps between the evaluations of a search."""

import contextlib
import functools
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gtn_tf.datasets import loading
from gtn_tf.datasets.batches import RealData, device_split, training_images
from gtn_tf.export.load import Teacher, load
from gtn_tf.nas.spec import SearchSpec
from gtn_tf.runtime.graph_memory import TracedGraphs
from gtn_tf.search_spaces.protocol import NetworkSpec, Space
from gtn_tf.types import Batch

Kept = dict[Hashable, Any]


def keep(kept: Kept, key: Hashable, make: Callable[[], Any]) -> Any:
    """Returns what is kept under a key; makes it at the first call."""
    if key not in kept:
        kept[key] = make()
    return kept[key]


class Data(NamedTuple):
    """The data of a search.

    Attributes:
      dataset: without test data.
      train: its training images, on the device.
      validation: those that accuracies are about, on the device.
    """

    dataset: loading.Dataset
    train: RealData
    validation: RealData


class Session:
    """What evaluators share in one process.

    Args:
      spec: of the search.
      space: of its architectures.
      should_stop: asked before each step on real data; True raises `Stopped`.

    Attributes:
      spec, space, should_stop: as given.
      kept: for evaluators, of anything that they need again; see `keep`.
    """

    def __init__(
        self,
        spec: SearchSpec,
        space: Space,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.spec, self.space, self.should_stop = spec, space, should_stop
        self.kept: Kept = {}
        self._built: Kept = {}
        self._built_for: str | None = None
        self._graphs = TracedGraphs()

    @functools.cached_property
    def data(self) -> Data:
        """The data, read at the first call.

        Raises:
          InputError: there are no such data.
        """
        spec = self.spec
        dataset = loading.load(
            spec.dataset,
            spec.data_dir,
            spec.split_seed,
            image_size=spec.image_size,
            max_images=spec.max_images,
        )
        return Data(
            dataset,
            device_split(dataset, "train"),
            device_split(dataset, "validation"),
        )

    def teacher(self, path: str) -> Teacher:
        """Returns an export."""
        return keep(self.kept, ("teacher", path), lambda: load(Path(path)))

    def network(self, form: str) -> NetworkSpec:
        """Returns what networks are built for; `form` as in `NetworkSpec`."""
        return NetworkSpec(
            self.spec.num_cells,
            self.spec.channels,
            self.data.dataset.image_shape,
            self.data.dataset.num_classes,
            form,
            self.spec.precision,
        )

    def training_images(self, positions: np.ndarray) -> Batch:
        """Returns training images as they are, not augmented."""
        return training_images(self.data.dataset, positions)

    @contextlib.contextmanager
    def building(self, architecture: str) -> Iterator[Kept]:
        """Yields what is kept of one architecture, given as text.

        Networks and their graphs are large: what is built within goes when
        another architecture's turn has come.
        """
        if architecture != self._built_for:
            self._built.clear()
            self._graphs.release()
            self._built_for = architecture
        with self._graphs.collected():
            yield self._built
