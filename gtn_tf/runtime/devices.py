"""Devices: everything that knows about `tf.distribute`.

The learners of a meta-step are split over replicas by their index. Every
replica draws from the same seeds, so that any number of replicas computes
what one does, up to the order of a sum.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from gtn_tf.config.choices import STRATEGIES
from gtn_tf.import_paths import choose
from gtn_tf.runtime.cluster import (
    Cluster,
    has_several_workers,
    read_cluster,
)
from gtn_tf.runtime.provenance import (
    commit,
    cpu_name,
    num_usable_cores,
)
from gtn_tf.runtime.rendezvous import await_workers
from gtn_tf.types import (
    InputError,
    LostWorkerError,
    one_line,
)


class Devices:
    """The replicas that share a meta-step, and the processes they run in.

    Variables belong in `scope()`; `run` calls a function on every replica,
    inside of which `replica_index` and `mean` may be used.

    Args:
      strategy: how TensorFlow runs the replicas.
      cluster: the worker processes, None for a single process.

    Attributes:
      num_replicas: in all processes together.
      num_workers: processes.
      is_chief: whether this process writes the files of a run.
      scope: () -> the context to create variables in.
    """

    def __init__(
        self, strategy: tf.distribute.Strategy, cluster: Cluster | None = None
    ) -> None:
        self._strategy = strategy
        self.num_replicas = strategy.num_replicas_in_sync
        self.num_workers = 1 if cluster is None else len(cluster.addresses)
        self.is_chief = cluster is None or cluster.index == 0
        self.scope = strategy.scope
        self._sum = tf.function(self._sum_vectors, autograph=False)

    def run(self, function: Callable[..., Any], *arguments: tf.Tensor) -> Any:
        """Returns what `function` returns on the first replica of its process.

        Call it in a traced function.
        """
        results = self._strategy.run(function, args=arguments)
        return tf.nest.map_structure(
            lambda value: self._strategy.experimental_local_results(value)[0],
            results,
        )

    def replica_index(self) -> tf.Tensor:
        """Returns the [] int32 index of the present replica, from 0."""
        replica = tf.distribute.get_replica_context()
        return tf.cast(replica.replica_id_in_sync_group, tf.int32)

    def mean(self, values: Any) -> Any:
        """Returns the mean over replicas of nested tensors, on each replica."""
        replica = tf.distribute.get_replica_context()
        return replica.all_reduce(tf.distribute.ReduceOp.MEAN, values)

    def assign(self, variables: Sequence, values: Sequence[tf.Tensor]) -> None:
        """Sets variables to values that all replicas agree on.

        Call it on each replica, as `mean`: there an update stays on the
        device, where one around `run` would bring all values to the host.
        """
        variables = [
            v.value if isinstance(v, keras.Variable) else v for v in variables
        ]

        def update(strategy: tf.distribute.Strategy, *values: Any) -> None:
            for variable, value in zip(variables, values, strict=True):
                strategy.extended.update(
                    variable, lambda v, new: v.assign(new), args=(value,)
                )

        replica = tf.distribute.get_replica_context()
        replica.merge_call(update, args=tuple(values))

    def gather(self, number: int) -> list[int]:
        """Returns every process' number, once all of them have called this.

        A process with several replicas enters once for each of them.
        """
        if self.num_workers == 1:
            return [number]
        return self._sum(tf.constant(number, tf.int64)).numpy().tolist()

    def _sum_vectors(self, number: tf.Tensor) -> tf.Tensor:
        def on_replica(number: tf.Tensor) -> tf.Tensor:
            own = tf.one_hot(
                self.replica_index(), self.num_replicas, dtype=number.dtype
            )
            replica = tf.distribute.get_replica_context()
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, own * number)

        return self.run(on_replica, number)


def one_device() -> Devices:
    """One GPU, or all cores."""
    return Devices(tf.distribute.get_strategy())


def mirrored() -> Devices:
    """All GPUs of this machine, or its logical CPU devices."""
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    # NCCL serves GPUs only; CPU devices reduce through memory.
    reduction = (
        None
        if kind == "GPU"
        else tf.distribute.HierarchicalCopyAllReduce(num_packs=1)
    )
    return Devices(
        tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)
    )


def multi_worker() -> Devices:
    """The workers that TF_CONFIG lists."""
    cluster = read_cluster()
    if cluster is None:
        raise InputError(
            "strategy 'multi_worker' without TF_CONFIG; expected the "
            "environment variable TF_CONFIG to name the workers; see "
            "launch/README.md, or set --config.strategy=auto"
        )
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise _lost_worker(error) from error
    # TensorFlow has put a handler of its own in the place of Python's.
    signal.signal(signal.SIGTERM, on_sigterm)
    return Devices(strategy, cluster)


def tpu() -> Devices:
    """The TPU that TPU_NAME names."""
    name = os.environ.get("TPU_NAME", "local")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        if name not in ("", "local"):
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return Devices(tf.distribute.TPUStrategy(resolver))
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise InputError(
            f"strategy 'tpu' found no TPU at TPU_NAME='{name}' "
            f"({one_line(error)}); expected a TPU VM, or the name of a TPU "
            "that can be reached, with the tensorflow-tpu build; set TPU_NAME "
            "or --config.strategy=auto"
        ) from error


def auto() -> Devices:
    """What is there: workers, a TPU, several devices or one."""
    if has_several_workers("auto"):
        return multi_worker()
    if "TPU_NAME" in os.environ:
        return tpu()
    kinds = ("GPU", "CPU")
    counts = [len(tf.config.list_logical_devices(kind)) for kind in kinds]
    return mirrored() if max(counts) > 1 else one_device()


def find_devices(name: str) -> Devices:
    """Finds the devices of a strategy, a name of `STRATEGIES`.

    Raises:
      InputError: no such strategy, or no such device.
    """
    return choose(name, STRATEGIES, "strategy")()


def create_devices(
    name: str, num_learners: int, connect_timeout_seconds: float
) -> Devices:
    """Finds the devices that share the learners of a meta-step.

    With several workers this waits for all of them, and must come before
    anything that computes.

    Args:
      name: a key of `STRATEGIES`.
      num_learners: of one meta-step, on all replicas together.
      connect_timeout_seconds: how long to wait for the other workers to start.

    Raises:
      InputError: no such device, or learners that do not divide evenly.
      LostWorkerError: the workers do not find each other in that time.
    """
    if has_several_workers(name):
        await_workers(read_cluster(), connect_timeout_seconds)
    devices = find_devices(name)
    num_replicas = devices.num_replicas
    if num_learners % num_replicas:
        raise InputError(
            f"meta.num_learners is {num_learners} on {num_replicas} replicas; "
            f"expected a multiple of {num_replicas}; set "
            f"--config.meta.num_learners={num_replicas}, or "
            "--config.strategy=one_device"
        )
    return devices


def should_jit(jit_compile: bool | str) -> bool:
    """Resolves `jit_compile`: 'auto' compiles everywhere but on CPU.

    On TPUs the strategy compiles the whole of a replica's step in any case.
    """
    if tf.config.list_logical_devices("TPU"):
        return False
    if jit_compile != "auto":
        return bool(jit_compile)
    return bool(tf.config.list_logical_devices("GPU"))


@contextlib.contextmanager
def naming_lost_workers() -> Iterator[None]:
    """Turns what TensorFlow raises when a worker is gone into one error.

    Raises:
      LostWorkerError: in place of such an error.
    """
    try:
        yield
    except (
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.UnavailableError,
    ) as error:
        raise _lost_worker(error) from error


def _lost_worker(error: Exception) -> LostWorkerError:
    # Before it, TensorFlow lists the lines that made the operation.
    reason = str(error).rpartition("Collective ops is aborted by:")[2]
    reason = one_line(RuntimeError(reason))
    return LostWorkerError(
        f"a worker of TF_CONFIG is gone ({reason}); expected all of them to "
        "answer; start all workers again, the run resumes from its newest "
        "checkpoint"
    )


def environment() -> dict[str, object]:
    """Returns what equal bits depend on: code, versions, devices, threads."""
    threading = tf.config.threading
    num_cores = os.cpu_count()
    return {
        "commit": commit(),
        "tensorflow": tf.__version__,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        "devices": [d.device_type for d in tf.config.list_logical_devices()],
        "cpu": cpu_name(),
        "num_cores": num_usable_cores(),
        "intra_op_threads": threading.get_intra_op_parallelism_threads()
        or num_cores,
        "inter_op_threads": threading.get_inter_op_parallelism_threads()
        or num_cores,
    }
