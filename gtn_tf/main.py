"""The command line: flags, one mode, exit codes.

    python -m gtn_tf.main --config=configs/digits.py [--mode=pretrain]
        [--workdir=runs/digits] [--config.inner.num_steps=16 ...]

Exit codes: 0; 1 the run diverged, or lost a worker or its disk; 2 bad input;
128 + n stopped by signal n.
"""

import contextlib
import importlib.util
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_dict, config_flags

from gtn_tf.config import (
    FIELDS,
    unknown_key_error,
    validate,
)
from gtn_tf.runtime.cluster import has_several_workers
from gtn_tf.runtime.files import disk_failure
from gtn_tf.runtime.paths import local_path
from gtn_tf.types import (
    DivergenceError,
    InputError,
    LostWorkerError,
    one_line,
)

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
    from gtn_tf.export import write as export
    from gtn_tf.training import pretrain

    code = pretrain.pretrain(config, workdir)
    if code or config.source == "real" or has_several_workers(config.strategy):
        return code  # several workers: an export is the work of one process
    return export.export(config, workdir)


def _export(config: config_dict.ConfigDict, workdir: Path) -> int:
    from gtn_tf.export import write as export

    return export.export(config, workdir)


def _evaluate(config: config_dict.ConfigDict, workdir: Path) -> int:
    if config.evaluation.experiment is not None:
        from gtn_tf.experiments import run

        return run.run_experiment(config, workdir)
    from gtn_tf.evaluation import comparison

    return comparison.evaluate(config, workdir)


def _search(config: config_dict.ConfigDict, workdir: Path) -> int:
    from gtn_tf.nas import search

    return search.search(config, workdir)


def _retrain(config: config_dict.ConfigDict, workdir: Path) -> int:
    from gtn_tf.retrain import run as retrain

    return retrain.retrain(config, workdir)


def _report(config: config_dict.ConfigDict, workdir: Path) -> int:
    from gtn_tf.report import write as report

    return report.report(config, workdir)


#: --mode -> what runs it: (config, workdir) -> exit code.
MODES: dict[str, Callable[[config_dict.ConfigDict, Path], int]] = {
    "pretrain": _pretrain,
    "evaluate": _evaluate,
    "search": _search,
    "export": _export,
    "retrain": _retrain,
    "report": _report,
}
_WITHOUT_TENSORFLOW = ("report",)
_MODE = flags.DEFINE_string(
    "mode", "pretrain", f"What to do: {', '.join(MODES)}."
)

_NO_CONFIG = (
    "no --config; expected a config file; pass --config=configs/digits.py"
)
#: What config_flags writes before the traceback of a config file.
_IN_CONFIG_FILE = "Error whilst parsing config file"


def main(argv: list[str]) -> int:
    """Runs the mode that the flags name; returns the exit code."""
    try:
        return _run(argv)
    except InputError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except (DivergenceError, LostWorkerError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before there is anything to save
        print("SIGINT: stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        failed = disk_failure(error)
        if not failed:
            raise
        print(f"error: {failed}", file=sys.stderr)
        return 1


def _run(argv: list[str]) -> int:
    _check_platform()
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
    if not _CONFIG.present:
        raise InputError(_NO_CONFIG)
    config = _CONFIG.value
    _check_config_file(config)
    validate(config)
    name = Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    workdir = local_path(_WORKDIR.value or Path("runs") / name, "--workdir")
    if _MODE.value not in _WITHOUT_TENSORFLOW:
        _check_tensorflow()
    return MODES[_MODE.value](config, workdir)


def _check_platform() -> None:
    if importlib.util.find_spec("fcntl") is None:
        raise InputError(
            f"this is {sys.platform}, whose Python has no fcntl; expected "
            "Linux or macOS; on Windows run it within WSL"
        )
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND is {backend!r}; expected 'tensorflow', which "
            "gtn_tf is written in; unset it for this command"
        )


def _check_config_file(config: object) -> None:
    if isinstance(config, config_dict.ConfigDict):
        return
    try:
        config.keys  # noqa: B018 (config_flags raises at the first access)
    except OSError as error:
        raise InputError(_config_file_error(error)) from error
    except AttributeError:
        pass
    raise InputError(
        f"get_config() of the config file returns {config!r}; expected a "
        "ConfigDict; begin it with gtn_tf.config.default_config()"
    )


def _check_tensorflow() -> None:
    # Quiet by default: TensorFlow's own lines bury an error of ours.
    is_quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") != "0"
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    try:
        with _held_back_lines() if is_quiet else contextlib.nullcontext():
            import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise InputError(
            "TensorFlow is not installed; expected exactly one of its three "
            "builds; pip install 'gtn_tf[cpu]', 'gtn_tf[gpu]' or 'gtn_tf[tpu]'"
        ) from error


@contextlib.contextmanager
def _held_back_lines() -> Iterator[None]:
    """Drops what libraries write to standard error, unless they fail.

    While TensorFlow loads, no log level holds its lines on oneDNN back.
    """
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)


def _parse(argv: list[str]) -> list[str]:
    """Parses flags; anything wrong with them or the config file is one line."""
    try:
        return flags.FLAGS(argv)
    except Exception as error:  # a config file may raise anything
        print(f"error: {_flag_error(argv, error)}", file=sys.stderr)
        sys.exit(2)


def _flag_error(argv: list[str], error: Exception) -> str:
    config_flags_given = [
        argument.lstrip("-").partition("=")[0].removeprefix("config.")
        for argument in argv[1:]
        if argument.lstrip("-").startswith("config.")
    ]
    if isinstance(error, AttributeError | KeyError):
        for key in config_flags_given:
            if not any(f"{field}.".startswith(f"{key}.") for field in FIELDS):
                return one_line(unknown_key_error(key))
    unknown = getattr(error, "flagname", None)  # of UnrecognizedFlagError
    if unknown is not None and unknown.startswith("config."):
        return _NO_CONFIG  # only --config defines these
    if isinstance(error, flags.Error) and _IN_CONFIG_FILE not in str(error):
        return (
            f"{one_line(error)}; expected a flag or config value of the "
            "right type; see --help and docs/config.md"
        )
    return _config_file_error(error)


def _config_file_error(error: Exception) -> str:
    reason = f"{type(error).__name__}: {one_line(error)}"
    if isinstance(error, OSError):
        # config_flags wraps it; the last line of the cause names the path.
        reason = str(error.__cause__ or error).strip().splitlines()[-1].strip()
    elif _IN_CONFIG_FILE in str(error):
        # .. and puts the whole traceback into these, the error at the end.
        reason = str(error).strip().splitlines()[-1]
    return (
        f"the config file cannot be used ({reason}); expected a Python file "
        "with get_config(); see configs/digits.py"
    )


def run() -> None:
    """Entry point of the console script `gtn-tf`."""
    # As `python -m` does: variants in configs/ import each other.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    app.run(main, flags_parser=_parse)


if __name__ == "__main__":
    run()
