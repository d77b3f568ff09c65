"""TensorFlow's switches of a whole process: determinism, precision, devices."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.framework import config as determinism

from gtn_tf.runtime.graph_rewriting import keep_graphs_repeatable
from gtn_tf.types import InputError


def configure_runtime(
    num_logical_devices: int | None = None, tensor_float_32: bool = False
) -> None:
    """Sets what can be set only before TensorFlow touches a device.

    Op determinism: same seed, same bits. GPU memory grows as needed.

    Args:
      num_logical_devices: CPU devices to split the machine into.
      tensor_float_32: let GPUs round the factors of float32 products to 10
        bits, as TensorFlow's default is.

    Raises:
      InputError: devices are in use already and cannot be split.
    """
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(tensor_float_32)
    for gpu in tf.config.list_physical_devices("GPU"):
        # In use already, as of a Python caller; or split by that caller.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)
    if num_logical_devices is not None:
        _split_cpu(num_logical_devices)
    keep_graphs_repeatable()


def synchronize() -> None:
    """Waits for what GPUs were given to do: they run behind Python."""
    if tf.config.list_physical_devices("GPU"):
        tf.test.experimental.sync_devices()


@contextlib.contextmanager
def without_lasting_determinism() -> Iterator[None]:
    """Undoes in the end what `configure_runtime` switches on for a process.

    While it is on, random operations without a seed raise: those of a Python
    caller, such as Keras' shuffling, are not to.
    """
    was_on = determinism.is_op_determinism_enabled()
    rounds = tf.config.experimental.tensor_float_32_execution_enabled()
    try:
        yield
    finally:
        if not was_on:
            determinism.disable_op_determinism()
        tf.config.experimental.enable_tensor_float_32_execution(rounds)


def _split_cpu(num_logical_devices: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * num_logical_devices
    configured = tf.config.get_logical_device_configuration(cpu)
    if configured is not None and len(configured) == len(devices):
        return
    try:
        tf.config.set_logical_device_configuration(cpu, devices)
    except RuntimeError as error:
        raise InputError(
            f"num_logical_devices {num_logical_devices} comes too late; the "
            "CPU is in use already; start a new process"
        ) from error
