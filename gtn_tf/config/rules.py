"""Values that are fine alone and impossible together."""

from gtn_tf.config.evaluator_names import ALONG, parse_evaluator, parts_of
from gtn_tf.config.families import (
    has_cells,
    has_drawn_widths,
    learner_names,
)
from gtn_tf.config.fields import are_widths
from gtn_tf.learners.registry import FAMILIES

#: (is it so, what was received, expected, remedy), formatted with c=config.
PAIRS = (
    (
        lambda c: (
            c.strategy == "multi_worker" and (c.num_logical_devices or 1) > 1
        ),
        "strategy 'multi_worker' with num_logical_devices "
        "{c.num_logical_devices}",
        "a worker uses its GPUs or one CPU device",
        "set --config.num_logical_devices=None, and start more workers",
    ),
    (
        lambda c: (
            c.source == "distillation"
            and c.curriculum.name in ("none", "fixed_noise")
        ),
        "source 'distillation' with curriculum '{c.curriculum.name}'",
        "images that are learned themselves have no noise",
        "set --config.curriculum.name=full, shuffled_batch or all_shuffled",
    ),
    (
        lambda c: c.source == "real" and c.curriculum.learn_labels,
        "source 'real' with curriculum.learn_labels",
        "real images keep their labels",
        "set --config.curriculum.learn_labels=False",
    ),
    (
        lambda c: c.warm_start.num_images > 0 and c.source == "real",
        "warm_start.num_images {c.warm_start.num_images} with source 'real'",
        "synthetic images alone can begin as real ones",
        "set --config.warm_start.num_images=0",
    ),
    (
        lambda c: c.warm_start.num_images > 0 and c.curriculum.name == "none",
        "warm_start.num_images {c.warm_start.num_images} with curriculum "
        "'none'",
        "a generator of fresh noise cannot begin as certain images",
        "set --config.warm_start.num_images=0 or another curriculum",
    ),
    (
        lambda c: c.source == "real" and not c.inner.learn_hyperparameters,
        "source 'real' with inner.learn_hyperparameters False",
        "the inner rates are all that it learns",
        "set --config.inner.learn_hyperparameters=True",
    ),
    (
        lambda c: (
            c.evaluation.widths is not None
            and len(c.evaluation.widths) != len(c.evaluation.learners)
        ),
        "evaluation.widths {c.evaluation.widths} with evaluation.learners "
        "{c.evaluation.learners}",
        "expected one tuple of widths, or None, per family",
        "set --config.evaluation.widths=None for the official widths",
    ),
    (
        lambda c: c.curriculum.name == "none" and c.curriculum.learn_labels,
        "curriculum 'none' with learn_labels",
        "labels that are drawn afresh cannot be learned",
        "set --config.curriculum.learn_labels=False or another curriculum",
    ),
    (
        lambda c: (
            c.learner.initializer != "he_normal"
            and (has_cells(c) or has_drawn_widths(c))
        ),
        "learner.initializer '{c.learner.initializer}' with learner.name "
        "'{c.learner.name}', learner.widths {c.learner.widths}, "
        "evaluation.learners {c.evaluation.learners} and evaluation.widths "
        "{c.evaluation.widths}",
        "drawn widths and family cell have he_normal",
        "set --config.learner.initializer=he_normal",
    ),
    (
        lambda c: (
            c.learner.convolution != "direct" and not c.learner.weight_norm
        ),
        "learner.convolution '{c.learner.convolution}' with "
        "learner.weight_norm False",
        "plain convolutions are Keras' own",
        "set --config.learner.convolution=direct",
    ),
    (
        lambda c: c.learner.pool is not None and c.learner.widths is not None,
        "learner.widths {c.learner.widths} with learner.pool "
        "'{c.learner.pool}'",
        "networks of a pool have widths of their own",
        "set --config.learner.widths=None or --config.learner.pool=None",
    ),
    (
        lambda c: (
            c.learner.space != "cells"
            and has_cells(c)
            and c.learner.genotype is None
            and c.learner.num_genotypes is None
        ),
        "learner.space '{c.learner.space}' with learner.num_genotypes None",
        "its genotypes are drawn beforehand",
        "set --config.learner.num_genotypes=8",
    ),
    (
        lambda c: (
            c.learner.space != "cells"
            and has_cells(c)
            and (
                not c.learner.weight_norm or c.learner.normalization != "batch"
            )
        ),
        "learner.space '{c.learner.space}' with learner.weight_norm "
        "{c.learner.weight_norm} and learner.normalization "
        "'{c.learner.normalization}'",
        "its networks have the layers of a search: True and 'batch'",
        "set --config.learner.weight_norm=True and "
        "--config.learner.normalization=batch",
    ),
    (
        lambda c: (
            c.learner.genotype is not None
            and c.learner.num_genotypes is not None
        ),
        "learner.num_genotypes {c.learner.num_genotypes} with "
        "learner.genotype '{c.learner.genotype}'",
        "a genotype is given or drawn",
        "set --config.learner.genotype=None or "
        "--config.learner.num_genotypes=None",
    ),
    (
        lambda c: c.inner.meta_loss_every > c.inner.num_steps,
        "inner.meta_loss_every {c.inner.meta_loss_every} with "
        "inner.num_steps {c.inner.num_steps}",
        "expected at most the number of inner steps",
        "set --config.inner.meta_loss_every=0 for the last step only",
    ),
    (
        lambda c: (c.inner.truncation_window or 0) > c.inner.num_steps,
        "inner.truncation_window {c.inner.truncation_window} with "
        "inner.num_steps {c.inner.num_steps}",
        "expected at most the number of inner steps",
        "set --config.inner.truncation_window=None for all of them",
    ),
    (
        lambda c: (
            c.inner.truncation_window is not None and not c.inner.rematerialize
        ),
        "inner.truncation_window {c.inner.truncation_window} with "
        "inner.rematerialize False",
        "a form that stores everything has no window",
        "set --config.inner.rematerialize=True or "
        "--config.inner.truncation_window=None",
    ),
    (
        lambda c: (
            c.meta.learner_batch_size > 1
            and (
                len(learner_names(c)) > 1
                or learner_names(c)[0] not in FAMILIES
                or c.inner.truncation_window is not None
                or c.inner.learning_rate_spread > 0
                or not c.inner.rematerialize
            )
        ),
        "meta.learner_batch_size {c.meta.learner_batch_size}",
        "side by side go learners of one of the families, for all steps and "
        "at the same rates, rematerialised",
        "set --config.meta.learner_batch_size=1",
    ),
    (
        lambda c: c.meta.num_learners % c.meta.learner_batch_size != 0,
        "meta.num_learners {c.meta.num_learners} with meta.learner_batch_size "
        "{c.meta.learner_batch_size}",
        "expected a multiple of it, on each replica",
        "set --config.meta.num_learners={c.meta.learner_batch_size}",
    ),
    (
        lambda c: (
            c.learner.widths is not None
            and len(learner_names(c)) == 1
            and not are_widths(c.learner.widths)
        ),
        "learner.widths {c.learner.widths} with learner.name "
        "'{c.learner.name}'",
        "expected a width or (low, high) per layer of that one family",
        "set --config.learner.widths=None for the official widths",
    ),
    (
        lambda c: (
            c.learner.widths is not None
            and len(learner_names(c)) != 1
            and (
                len(c.learner.widths) != len(learner_names(c))
                or not all(
                    w is None or isinstance(w, tuple | list)
                    for w in c.learner.widths
                )
            )
        ),
        "learner.widths {c.learner.widths} with learner.name "
        "'{c.learner.name}'",
        "expected one tuple of widths, or None, per family",
        "set --config.learner.widths=None for the official widths",
    ),
    (
        lambda c: c.search.guide == c.search.truth,
        "search.guide '{c.search.guide}' is search.truth",
        "expected something that costs less",
        "set --config.search.guide to another evaluator, or "
        "--config.search.truth",
    ),
    (
        lambda c: (
            c.search.guide is None
            and any(
                c.search.truth in (name, *parts_of(name))
                for name in c.search.evaluators
            )
        ),
        "search.truth '{c.search.truth}' is one of search.evaluators",
        "expected something else to compare them with",
        "set --config.search.truth to a longer training",
    ),
    (
        lambda c: (
            parse_evaluator(c.search.truth).readout == ALONG
            or parse_evaluator(c.search.truth).statistics == "validation"
        ),
        "search.truth '{c.search.truth}'",
        f"it is read after its training (no {ALONG}), and by the running "
        "statistics (statistics=last_batch)",
        "leave that out of --config.search.truth",
    ),
    (
        lambda c: c.search.shard >= c.search.num_shards,
        "search.shard {c.search.shard} with search.num_shards "
        "{c.search.num_shards}",
        "expected 0 <= shard < num_shards",
        "set --config.search.shard and --config.search.num_shards",
    ),
)
