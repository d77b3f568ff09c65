"""Devices: everything that knows about `tf.distribute` and global switches.

The learners of a meta-step are split over replicas by their index. Every
replica draws from the same seeds, so that any number of replicas computes
what one does, up to the order of a sum.
"""

import os
from collections.abc import Callable

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
from tensorflow.python.eager import context

from gtn_tf.types import InputError


def configure_runtime(num_logical_devices: int | None = None) -> None:
    """Sets what can be set only before TensorFlow touches a device.

    Op determinism: same seed, same bits. GPU memory grows as needed.

    Args:
      num_logical_devices: CPU devices to split the machine into.

    Raises:
      InputError: devices are in use already and cannot be split.
    """
    tf.config.experimental.enable_op_determinism()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if num_logical_devices is not None:
        _split_cpu(num_logical_devices)
    _keep_loops_repeatable()


def _keep_loops_repeatable() -> None:
    """Turns Grappler's memory optimisation off.

    At some sizes it rewrites sums in a loop's body with a TemporaryVariable
    that outlives the loop, and the second meta-step ends with
    AlreadyExistsError. No public switch turns it off alone.
    """
    options = context.context().function_call_options
    config = config_pb2.ConfigProto.FromString(options.config_proto_serialized)
    config.graph_options.rewrite_options.memory_optimization = (
        rewriter_config_pb2.RewriterConfig.NO_MEM_OPT
    )
    context.context().function_call_options = context.FunctionCallOptions(
        config_proto=config
    )


def _split_cpu(num_logical_devices: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * num_logical_devices
    try:
        tf.config.set_logical_device_configuration(cpu, devices)
    except RuntimeError as error:
        raise InputError(
            f"num_logical_devices {num_logical_devices} comes too late; the "
            "CPU is in use already; start a new process"
        ) from error


def _one_device() -> tf.distribute.Strategy:
    return tf.distribute.get_strategy()


def _mirrored() -> tf.distribute.Strategy:
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    # NCCL serves GPUs only; CPU devices reduce through memory.
    reduction = (
        None
        if kind == "GPU"
        else tf.distribute.HierarchicalCopyAllReduce(num_packs=1)
    )
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)


def _tpu() -> tf.distribute.Strategy:
    name = os.environ.get("TPU_NAME", "local")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        if name not in ("", "local"):
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"strategy 'tpu' found no TPU at TPU_NAME='{name}' ({reason}); "
            "expected a TPU VM, or the name of a TPU that can be reached, "
            "with the tensorflow-tpu build; set TPU_NAME or "
            "--config.strategy=auto"
        ) from error


def _auto() -> tf.distribute.Strategy:
    if "TPU_NAME" in os.environ:
        return _tpu()
    kinds = ("GPU", "CPU")
    counts = [len(tf.config.list_logical_devices(kind)) for kind in kinds]
    return _mirrored() if max(counts) > 1 else _one_device()


STRATEGIES: dict[str, Callable[[], tf.distribute.Strategy]] = {
    "auto": _auto,
    "one_device": _one_device,
    "mirrored": _mirrored,
    "tpu": _tpu,
}


def create_strategy(name: str, num_learners: int) -> tf.distribute.Strategy:
    """Creates the strategy that shards the learners of a meta-step.

    Args:
      name: a key of `STRATEGIES`.
      num_learners: of one meta-step, on all replicas together.

    Raises:
      InputError: no such device, or learners that do not divide evenly.
    """
    strategy = STRATEGIES[name]()
    num_replicas = strategy.num_replicas_in_sync
    if num_learners % num_replicas:
        raise InputError(
            f"meta.num_learners is {num_learners} on {num_replicas} replicas; "
            f"expected a multiple of {num_replicas}; set "
            f"--config.meta.num_learners={num_replicas}, or "
            "--config.strategy=one_device"
        )
    return strategy


def should_jit(jit_compile: bool | str) -> bool:
    """Resolves `jit_compile`: 'auto' compiles everywhere but on CPU."""
    if jit_compile != "auto":
        return bool(jit_compile)
    return any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))


def environment() -> dict[str, object]:
    """Returns what equal bits depend on: versions, devices, threads."""
    threading = tf.config.threading
    num_cores = os.cpu_count()
    return {
        "tensorflow": tf.__version__,
        "devices": [d.device_type for d in tf.config.list_logical_devices()],
        "intra_op_threads": threading.get_intra_op_parallelism_threads()
        or num_cores,
        "inter_op_threads": threading.get_inter_op_parallelism_threads()
        or num_cores,
    }
