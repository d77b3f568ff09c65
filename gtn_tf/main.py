"""The command line: flags, one mode, exit codes.

    gtn-tf --config=digits [--mode=pretrain] [--workdir=runs/digits]
        [--config.inner.num_steps=16 ...]
    gtn-tf --list_configs
    gtn-tf --copy_config=digits mine.py

`python -m gtn_tf.main` is the same. Keys of a config: docs/config.md.

Exit codes: 0; 1 the run diverged, or lost a worker or its disk; 2 bad input;
128 + n stopped by signal n.
"""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_dict, config_flags

from gtn_tf.config import (
    FIELDS,
    unknown_key_error,
    validate,
)
from gtn_tf.config.named import config_names, config_path
from gtn_tf.paths import is_in_bucket, local_path
from gtn_tf.runtime.bucket_workdir import opened_workdir
from gtn_tf.runtime.cluster import has_several_workers
from gtn_tf.runtime.files import disk_failure, write_atomically
from gtn_tf.runtime.tensorflow_loading import load_tensorflow
from gtn_tf.types import (
    PERSONS_ERRORS,
    DivergenceError,
    InputError,
    LostWorkerError,
    one_line,
)

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "A config file of your own, or the name of one of --list_configs.",
    lock_config=True,
)
_LIST_CONFIGS = flags.DEFINE_bool(
    "list_configs", False, "Print the names that --config takes, and stop."
)
_COPY_CONFIG = flags.DEFINE_string(
    "copy_config",
    None,
    "Copy the config of this name to the file that follows, and stop.",
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Where results go, a folder or gs://..; default: runs/<name of the config "
    "file>. A workdir with a checkpoint is resumed.",
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
    "no --config; expected a config file or a name of --list_configs; pass "
    "--config=digits"
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
    if _LIST_CONFIGS.value:
        for name, told in config_names().items():
            print(f"{name:22}{told}")
        return 0
    if _COPY_CONFIG.value is not None:
        return _copy_config(_COPY_CONFIG.value, argv[1:])
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
    where = _WORKDIR.value or Path("runs") / name
    if is_in_bucket(where):
        _refuse_sharing(config)
        _load_tensorflow()
    alone = _MODE.value != "report"
    with opened_workdir(where, "--workdir", alone) as workdir:
        if _MODE.value not in _WITHOUT_TENSORFLOW:
            _load_tensorflow()
        return MODES[_MODE.value](config, workdir)


def _refuse_sharing(config: config_dict.ConfigDict) -> None:
    """Refuses processes that would share a bucket, which has no locks."""
    search, is_search = config.search, _MODE.value == "search"
    several = {
        "several workers in TF_CONFIG": has_several_workers(config.strategy),
        "search.num_shards": is_search and search.num_shards > 1,
        "search.executor 'ray'": is_search and search.executor == "ray",
    }
    found = [reason for reason, is_so in several.items() if is_so]
    if found:
        raise InputError(
            f"--workdir={_WORKDIR.value} with {found[0]}; expected one "
            "process, as a bucket has no locks; give a --workdir on a disk "
            "that all can reach, such as NFS"
        )


def _copy_config(name: str, arguments: list[str]) -> int:
    if len(arguments) != 1 or Path(arguments[0]).exists():
        raise InputError(
            f"--copy_config={name} with {arguments or 'no file'}; expected the "
            "name of one new file; write it behind the flag"
        )
    copy = local_path(arguments[0], "the copy")
    if not copy.parent.is_dir():
        raise InputError(
            f"--copy_config={name} to {str(copy)!r}, in no folder that exists; "
            "expected a name in one; create it first"
        )
    write_atomically(copy, config_path(name).read_bytes())
    print(f"--config={arguments[0]}")
    return 0


def _check_platform() -> None:
    if importlib.util.find_spec("fcntl") is None:
        raise InputError(
            f"this is {sys.platform}, whose Python has no fcntl; expected "
            "Linux; on Windows run it within WSL"
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


def _load_tensorflow() -> None:
    # Quiet by default: TensorFlow's own lines bury an error of ours.
    is_quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") != "0"
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    load_tensorflow(is_quiet)


#: absl shows help and exits while it parses.
_HELP = ("help", "?")


def _parse(argv: list[str]) -> list[str]:
    """Parses flags; anything wrong with them or the config file is one line."""
    try:
        return flags.FLAGS(with_paths(argv))
    except PERSONS_ERRORS as error:  # of the config file
        if any(given.lstrip("-").startswith(_HELP) for given in argv[1:]):
            raise
        print(f"error: {_flag_error(argv, error)}", file=sys.stderr)
        sys.exit(2)


def with_paths(argv: list[str]) -> list[str]:
    """Puts the path of a config in the place of its name, or of `~`."""
    found = list(argv)
    for place, argument in enumerate(argv[1:], 1):
        flag, is_given, name = argument.partition("=")
        if flag.lstrip("-") == "config" and flag.startswith("-"):
            position = place if is_given else place + 1
            name = name if is_given else "".join(argv[position : position + 1])
            if name in config_names():
                path = str(config_path(name))
            elif name.startswith("~"):
                path = os.path.expanduser(name)
            else:
                continue
            found[position] = f"{flag}={path}" if is_given else path
    return found


def _flag_error(argv: list[str], error: BaseException) -> str:
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
        "with get_config(), or a name of --list_configs; see "
        "--copy_config=digits"
    )


def run() -> None:
    """Entry point of the console script `gtn-tf`."""
    # As `python -m` does: a config may import what lies beside it.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    # --help tells of the module that was started, which is a script of pip's.
    script = sys.modules["__main__"]
    if script.__doc__ is None:
        script.__doc__ = __doc__
    for flag in (_CONFIG, _WORKDIR, _MODE, _LIST_CONFIGS, _COPY_CONFIG):
        flags.FLAGS.register_key_flag_for_module(
            sys.argv[0], flags.FLAGS[flag.name]
        )
    app.run(main, flags_parser=_parse)


if __name__ == "__main__":
    run()
