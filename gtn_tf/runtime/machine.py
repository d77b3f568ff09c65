"""How large the machine is; no TensorFlow here."""

import contextlib
import os
from pathlib import Path

_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def machine_bytes() -> int:
    """Returns the memory of the machine, or of the container that this is."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            sizes.append(int(Path(path).read_text()))
    return min(sizes)
