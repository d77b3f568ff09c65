"""The workers of TF_CONFIG wait for each other, or say who is missing.

TensorFlow's own wait ends after an hour, for which the chief has no setting.
So before TensorFlow starts its server, each worker listens at its own address
and looks for all others'. Whoever has seen them goes on; then TensorFlow's
server can be seen in its place.
"""

import socket
import time

from gtn_tf.runtime.cluster import Cluster
from gtn_tf.types import InputError, LostWorkerError

_POLL_SECONDS = 0.2
_CONNECT_SECONDS = 5.0


def await_workers(cluster: Cluster, timeout_seconds: float) -> None:
    """Returns once every other worker has been reached.

    Raises:
      InputError: this worker's port cannot be had.
      LostWorkerError: some did not start in time.
    """
    own = cluster.addresses[cluster.index]
    missing = [a for a in cluster.addresses if a != own]
    give_up_at = time.monotonic() + timeout_seconds
    with _listen(own):
        while missing := [a for a in missing if not _is_reachable(a)]:
            if time.monotonic() >= give_up_at:
                raise LostWorkerError(
                    f"no answer from {', '.join(missing)} of TF_CONFIG in "
                    f"{timeout_seconds:g} seconds; expected every worker to "
                    "start within that time; start all of them again, or "
                    "raise --config.connect_timeout_seconds"
                )
            time.sleep(_POLL_SECONDS)


def _listen(address: str) -> socket.socket:
    """Lets others connect; none of them is ever spoken to."""
    _, port = _split(address)
    more = (
        {"family": socket.AF_INET6, "dualstack_ipv6": True}
        if socket.has_dualstack_ipv6()
        else {}
    )
    try:
        return socket.create_server(("", port), **more)
    except OSError as error:
        raise InputError(
            f"port {port} of this worker cannot be had ({error.strerror}); "
            "expected the port in TF_CONFIG to be free; end what uses it, or "
            "give another on all workers"
        ) from error


def _is_reachable(address: str) -> bool:
    try:
        with socket.create_connection(_split(address), _CONNECT_SECONDS):
            return True
    except OSError:  # its name may not be known yet either
        return False


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
