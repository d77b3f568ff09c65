"""Whether images fit into the memory of this machine."""

import os
from pathlib import Path

from gtn_tf.types import InputError

#: Of a container, where there is one: less than the machine's.
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_bytes() -> int:
    """Returns the memory that this process may have, in bytes."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(total, int(_CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # there is none, or it is "max"
        return total


def check_fits(num_bytes: int, what: str) -> None:
    """Refuses pixels that take more than half of the memory.

    They are there twice: as arrays, and as tensors.

    Args:
      num_bytes: of all pixels.
      what: has them; begins the message.

    Raises:
      InputError: they do not fit.
    """
    total = memory_bytes()
    if 2 * num_bytes > total:
        raise InputError(
            f"{what} is {num_bytes} bytes of pixels ({_gib(num_bytes)}), which "
            f"are in memory twice; expected at most half of the {_gib(total)} "
            "that there are; set --config.dataset.max_images, or "
            "a smaller --config.dataset.image_size"
        )


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.3g} GiB"
