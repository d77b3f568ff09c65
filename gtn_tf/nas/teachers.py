"""What evaluators train on: exports that are given, or made first."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ml_collections import config_dict

from gtn_tf.evaluation.baselines import meta_train
from gtn_tf.export.load import Teacher, load
from gtn_tf.export.write import export, is_current
from gtn_tf.nas.evaluators.evaluator import Evaluator
from gtn_tf.nas.session import Session
from gtn_tf.runtime.files import read_json
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.runtime.progress import say
from gtn_tf.training.pretrain import pretrain
from gtn_tf.types import InputError


def prepare_teachers(
    config: config_dict.ConfigDict,
    workdir: Path,
    evaluators: Collection[Evaluator],
) -> tuple[dict[str, Teacher], dict[str, float]]:
    """Returns the exports that evaluators train on, and their seconds.

    Args:
      config: of the search; a GTN that is not given is meta-trained by it.
      workdir: where that goes.
      evaluators: that are asked for.

    Returns:
      Both by the `teacher` of an evaluator.

    Raises:
      InputError: no such export, or what is to be meta-trained is no GTN.
      DivergenceError: its meta-training diverged.
      Stopped: a signal stopped it.
    """
    wanted = {evaluator.teacher for evaluator in evaluators}
    _check_source(config, wanted)
    teachers, seconds = {}, {}
    for name, make in _MAKERS.items():
        if name not in wanted:
            continue
        path, tried = config.search[name], 0.0
        if path is None:
            path, tried = make(config, workdir)
        teachers[name] = load(Path(path))
        own = teachers[name].metadata.get("meta_training_seconds")
        if own is None:  # of an earlier version
            say(f"search.{name} {path} does not tell its seconds: set-up is 0")
            own = 0.0
        seconds[name] = max(own, tried)
    return teachers, seconds


def _check_source(
    config: config_dict.ConfigDict, wanted: Collection[str | None]
) -> None:
    """Refuses to meta-train for the evaluator `gtn` what is no GTN."""
    if "gtn" in wanted and config.search.gtn is None and config.source != "gtn":
        raise InputError(
            f"source is {config.source!r}, and evaluator 'gtn' has no "
            "search.gtn; expected source 'gtn', with which one is meta-trained "
            "first; set --config.source=gtn or give --config.search.gtn"
        )


def _make_gtn(
    config: config_dict.ConfigDict, workdir: Path
) -> tuple[Path, float]:
    """Meta-trains the workdir's GTN, unless it is exported as asked for."""
    if not is_current(config, workdir):
        say(f"{workdir} holds no GTN of this config: it is meta-trained first")
        code = pretrain(config, workdir, is_part=True)
        if code:
            raise Stopped(code)
        export(config, workdir)
    return workdir, 0.0


def _make_distillation(
    config: config_dict.ConfigDict, workdir: Path
) -> tuple[Path, float]:
    """Distils; the seconds are those of all rates that were tried."""
    done = meta_train("distillation", config, workdir)
    path = done.folder / "export" / "metadata.json"
    # A raised meta.num_steps has gone on with the training.
    if (
        not path.exists()
        or read_json(path)["meta_steps"] != config.meta.num_steps
    ):
        export(done.config, done.folder)
    return done.folder, done.seconds


_MAKERS = {"gtn": _make_gtn, "distillation": _make_distillation}


def check_teachers(
    teachers: Mapping[str, Teacher],
    session: Session,
    evaluators: Collection[Evaluator],
) -> None:
    """Refuses exports of another data set, split or, if asked, size.

    Raises:
      InputError: one does not fit.
    """
    spec, dataset = session.spec, session.data.dataset
    expected = spec.num_inner_steps, spec.inner_batch_size
    follows = any(evaluator.follows_teacher for evaluator in evaluators)
    for name, teacher in teachers.items():
        found = teacher.metadata["dataset"]
        if found != dataset.name:
            raise InputError(
                f"search.{name} is of {found!r}; expected {dataset.name!r}, "
                f"the dataset.name; give another --config.search.{name}"
            )
        size = tuple(
            teacher.metadata[key]
            for key in ("num_inner_steps", "inner_batch_size")
        )
        if follows and size != expected:
            raise InputError(
                f"search.{name} has {size[0]} steps of {size[1]} images; "
                f"expected {expected[0]} of {expected[1]}, as inner.num_steps "
                "and inner.batch_size are what 'real' and 'real_subset' take "
                f"without a budget; set them to {size[0]} and {size[1]}"
            )
        if not teacher.was_made_with(dataset.mean):
            raise InputError(
                f"search.{name} was made with other training images of "
                f"{found!r}; expected those of dataset.split_seed "
                f"{spec.split_seed}; set --config.dataset.split_seed to its "
                "own"
            )
