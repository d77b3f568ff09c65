"""The command line: flags, one mode, exit codes.

    python -m gtn_tf.main --config=configs/digits.py [--mode=pretrain]
        [--workdir=runs/digits] [--config.inner.num_steps=16 ...]

Exit codes: 0; 1 the run diverged; 2 bad input; 128 + n stopped by signal n.
"""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags
from ml_collections import config_dict, config_flags

from gtn_tf.config import unknown_key_error, validate
from gtn_tf.types import DivergenceError, InputError

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "A config file, such as configs/digits.py.",
    lock_config=True,
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Where results go; default: runs/<name of the config file>. A workdir "
    "with a checkpoint is resumed.",
)


def _pretrain(config: config_dict.ConfigDict, workdir: Path) -> int:
    from gtn_tf import pretrain

    return pretrain.pretrain(config, workdir)


#: --mode -> what runs it: (config, workdir) -> exit code.
MODES: dict[str, Callable[[config_dict.ConfigDict, Path], int]] = {
    "pretrain": _pretrain,
}
_MODE = flags.DEFINE_string(
    "mode", "pretrain", f"What to do: {', '.join(MODES)}."
)


def main(argv: list[str]) -> int:
    """Runs the mode that the flags name; returns the exit code."""
    try:
        return _run(argv)
    except InputError as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 2
    except DivergenceError as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 1


def _run(argv: list[str]) -> int:
    if len(argv) > 1:
        raise InputError(
            f"argument '{argv[1]}'; expected flags only; write "
            "--name=value, or see --help"
        )
    if _MODE.value not in MODES:
        raise InputError(
            f"--mode={_MODE.value}; expected one of {', '.join(MODES)}; "
            "leave it out for pretrain"
        )
    if _CONFIG.value is None:
        raise InputError(
            "no --config; expected a config file; pass "
            "--config=configs/digits.py"
        )
    config = _CONFIG.value
    validate(config)
    name = Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    workdir = Path(_WORKDIR.value or Path("runs") / name)
    _check_tensorflow()
    return MODES[_MODE.value](config, workdir)


def _check_tensorflow() -> None:
    # Quiet by default: TensorFlow's start-up lines bury an error of ours.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise InputError(
            "TensorFlow is not installed; expected exactly one of its three "
            "builds; pip install 'gtn_tf[cpu]', 'gtn_tf[gpu]' or 'gtn_tf[tpu]'"
        ) from error


def _parse(argv: list[str]) -> list[str]:
    """Parses flags; anything wrong with them or the config file is one line."""
    try:
        return flags.FLAGS(argv)
    except Exception as error:  # a config file may raise anything
        print(f"error: {_flag_error(argv, error)}", file=sys.stderr)
        sys.exit(2)


def _flag_error(argv: list[str], error: Exception) -> str:
    unknown_key = re.fullmatch(r"\W*(\w+)\W*", str(error))
    if isinstance(error, AttributeError | KeyError) and unknown_key:
        for argument in argv:
            key = argument.removeprefix("--config.").split("=")[0]
            if key.split(".")[-1] == unknown_key[1] and key != argument:
                return _one_line(unknown_key_error(key))
    if isinstance(error, flags.Error):
        return (
            f"{_one_line(error)}; expected a flag or config value of the "
            "right type; see --help and docs/config.md"
        )
    return (
        f"the config file cannot be used ({type(error).__name__}: "
        f"{_one_line(error)}); expected a Python file with get_config(); "
        "see configs/digits.py"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def run() -> None:
    """Entry point of the console script `gtn-tf`."""
    app.run(main, flags_parser=_parse)


if __name__ == "__main__":
    run()
