"""Keys of `--mode=evaluate`; a workdir may change them at any time."""

from gtn_tf.config.choices import BASELINES, EXPERIMENTS, SEARCH_STRATEGIES
from gtn_tf.config.fields import (
    OWN_FUNCTION,
    Field,
    are_different,
    are_families_widths,
    are_positive,
    is_number,
    is_one_of,
    real,
    whole,
)
from gtn_tf.import_paths import is_import_path
from gtn_tf.learners.registry import LEARNERS

FIELDS = {
    "evaluation.num_learners": whole(20, 1, "fresh learners per source"),
    "evaluation.sources": Field(
        ("gtn", *BASELINES),
        f"a tuple of gtn, {', '.join(BASELINES)}",
        lambda v: (
            isinstance(v, tuple | list)
            and all(source in ("gtn", *BASELINES) for source in v)
        ),
        "what is compared; the workdir's own source always is",
    ),
    "evaluation.experiment": Field(
        None,
        f"None, one of {', '.join(EXPERIMENTS)}, or package.module:EXPERIMENT",
        lambda v: v in [None, *EXPERIMENTS] or is_import_path(v),
        "what --mode=evaluate does: None compares the sources; else the "
        "experiment, in experiments/NAME in the workdir",
    ),
    "evaluation.num_seeds": whole(
        3,
        1,
        "of experiments: GTNs per arm, of seed, seed + 1, ..",
        high=10_000,
    ),
    "evaluation.arms": Field(
        (),
        "a tuple of different texts KEY=VALUE, or several in one, joined by "
        "semicolons",
        lambda v: (
            isinstance(v, tuple | list)
            and all(isinstance(arm, str) and "=" in arm for arm in v)
            and len(set(v)) == len(v)
        ),
        "of experiments ablation and any_network: what each arm changes",
    ),
    "evaluation.num_draws": whole(
        20,
        1,
        "of experiment weight_norm: draws of hyperparameters",
        high=10_000,
    ),
    "evaluation.strategies": Field(
        ("random", "evolution", "reinforce", "nao", "darts", "enas", "nao_ws"),
        f"a tuple of different ones of {', '.join(SEARCH_STRATEGIES)}",
        are_different(lambda v: isinstance(v, str) and v in SEARCH_STRATEGIES),
        "of experiment search_methods: what each evaluator leads, or trains "
        "weights of its own",
    ),
    "evaluation.search_seconds": real(
        1000.0,
        "a number > 0",
        lambda v: v > 0,
        "of experiment search_methods: of each search, set-up included",
    ),
    "evaluation.learners": Field(
        (),
        f"a tuple of different ones of {', '.join(LEARNERS)} or {OWN_FUNCTION}",
        lambda v: (
            isinstance(v, tuple | list)
            and all(is_one_of(name, LEARNERS) for name in v)
            and len(set(v)) == len(v)
        ),
        "other learners that the data are tried on, as learner.name",
    ),
    "evaluation.widths": Field(
        None,
        "None, or a tuple of widths (or None) per family",
        lambda v: v is None or are_families_widths(v),
        "widths of those families, as learner.widths; None: the official ones",
    ),
    "evaluation.meta_learning_rates": Field(
        (),
        "a tuple of numbers > 0",
        are_positive,
        "one meta-training each of real and of distillation, the best by "
        "validation is taken; (): meta.learning_rate",
    ),
    "evaluation.tuning_learning_rates": Field(
        (0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8),
        "a tuple of numbers > 0",
        lambda v: are_positive(v) and len(v) > 0,
        "constant inner rates tried for real_tuned, real_subset and noise",
    ),
    "evaluation.tuning_momenta": Field(
        (0.0, 0.3, 0.5, 0.7, 0.9),
        "a tuple of numbers in [0, 1)",
        lambda v: (
            isinstance(v, tuple | list)
            and len(v) > 0
            and all(is_number(m) and 0 <= m < 1 for m in v)
        ),
        "momenta tried with each of them",
    ),
    "evaluation.tuning_num_learners": whole(
        5,
        1,
        "validation learners per such pair; the best five pairs are measured "
        "again, by four times as many others",
    ),
    "evaluation.num_validation_images": whole(
        None,
        1,
        "the first ones, that tuned rates and experiments that train fresh "
        "networks are judged by; None: all",
    ),
}
