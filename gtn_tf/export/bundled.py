"""The teachers that come with gtn_tf: `gtn_tf.load("gtn:digits")`.

Each is a folder of `bundled/`: a curriculum in half precision and its metadata,
with what was measured of it. `python -m tools.bundle` makes them of kept
results; their cards are in docs/teachers.md.
"""

from pathlib import Path

from gtn_tf.types import InputError

_FOLDER = Path(__file__).parent / "bundled"


def bundled_names() -> list[str]:
    """Returns the names that "gtn:" can stand before."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/metadata.json"))


def bundled_folder(name: str) -> Path:
    """Returns the export folder of a bundled teacher.

    Raises:
      InputError: there is none of that name.
    """
    if name not in bundled_names():
        raise InputError(
            f"there is no teacher 'gtn:{name}'; expected one of "
            f"{', '.join('gtn:' + known for known in bundled_names())}; "
            "correct it, or give a path"
        )
    return _FOLDER / name
