"""The config files that come with gtn_tf, by name.

In a checkout they are in `configs/` beside the package; a wheel installs that
folder as `gtn_tf_configs`.
"""

import importlib.util
import runpy
from pathlib import Path

from ml_collections import config_dict

from gtn_tf.types import PERSONS_ERRORS, InputError, one_line

_CHECKOUT = Path(__file__).parents[2] / "configs"


def _folder() -> Path:
    if (_CHECKOUT / "default.py").exists():
        return _CHECKOUT
    return Path(importlib.util.find_spec("gtn_tf_configs").origin).parent


def config_names() -> dict[str, str]:
    """Returns name -> the first line of what the file says of itself."""
    found = {}
    for path in sorted(_folder().glob("[!_]*.py")):
        first = path.read_text().partition("\n")[0]
        found[path.stem] = first.lstrip("r").strip('"')
    return found


def config_path(name: Path | str) -> Path:
    """Returns the file of a config: a path as it is, or one of ours by name.

    Raises:
      InputError: it is neither.
    """
    ours = _folder() / f"{name}.py"
    if Path(name).name == str(name) and ours.exists():
        return ours
    if Path(name).is_file():
        return Path(name)
    raise InputError(
        f"config {str(name)!r} is no file; expected a path, or one of "
        f"{', '.join(config_names())}; correct it"
    )


def named_config(name: Path | str) -> config_dict.ConfigDict:
    """Returns what `get_config()` of a config file returns.

    Raises:
      InputError: there is no such file, it fails, or returns something else.
    """
    path = config_path(name)
    try:
        found = runpy.run_path(str(path))["get_config"]()
    except PERSONS_ERRORS as error:
        raise InputError(
            f"config {str(path)!r} cannot be used ({type(error).__name__}: "
            f"{one_line(error)}); expected a Python file with get_config(); "
            "correct it"
        ) from error
    if not isinstance(found, dict | config_dict.ConfigDict):
        raise InputError(
            f"get_config() of config {str(path)!r} returns {found!r}; expected "
            "a ConfigDict; begin it with gtn_tf.config.default_config()"
        )
    return found
