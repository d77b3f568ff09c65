"""Keys of `--mode=search`; a workdir may change them at any time."""

from gtn_tf.config.choices import (
    EXECUTORS,
    POLICIES,
    SCHEDULES,
    SEARCH_STRATEGIES,
)
from gtn_tf.config.evaluator_names import (
    CHOICES,
    RANK_MEAN,
    READOUTS,
    STATISTICS,
)
from gtn_tf.config.fields import (
    OWN_FUNCTION,
    Field,
    are_different,
    choice,
    is_evaluator,
    is_one_of,
    is_op,
    is_path,
    is_single_evaluator,
    real,
    switch,
    whole,
)
from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.search_spaces.registry import SPACES

FIELDS = {
    "search.strategy": Field(
        "random",
        f"one of {', '.join(SEARCH_STRATEGIES)}, or {OWN_FUNCTION}",
        lambda v: is_one_of(v, SEARCH_STRATEGIES),
        "what chooses the architectures; told the scores of `search.guide`, or "
        "else of the first of `search.evaluators`",
    ),
    "search.evolution.population": whole(
        30, 1, "the youngest architectures, which a parent is one of"
    ),
    "search.evolution.sample": whole(
        10,
        1,
        "of them, drawn with replacement, of which the best is parent",
        high=100_000,
    ),
    "search.evolution.in_flight": whole(
        1,
        1,
        "architectures whose scores may be awaited at once; other numbers are "
        "other runs",
    ),
    "search.reinforce.policy": choice(
        "logits",
        POLICIES,
        "independent logits of each decision, which suit small spaces; or an "
        "LSTM that is told the decisions before",
    ),
    "search.reinforce.learning_rate": real(
        0.1, "a number > 0", lambda v: v > 0, "of Adam; for `lstm` about 0.003"
    ),
    "search.reinforce.baseline_decay": real(
        0.9,
        "a number in [0, 1)",
        lambda v: 0 <= v < 1,
        "of the moving mean of scores, with which a score is compared",
    ),
    "search.reinforce.batch": whole(
        1, 1, "architectures per update, which may be scored at once"
    ),
    "search.reinforce.num_epochs": whole(
        1,
        1,
        "steps per update; more are those of PPO, whose probabilities go no "
        "further than `search.reinforce.clip`",
    ),
    "search.reinforce.clip": real(
        0.2,
        "a number > 0",
        lambda v: v > 0,
        "how far an architecture's probability may go from 1 times that of "
        "before the update",
    ),
    "search.nao.num_first": whole(
        100, 2, "architectures that are drawn at random before the others"
    ),
    "search.nao.num_new": whole(50, 1, "architectures of a round"),
    "search.nao.num_epochs": whole(
        300, 1, "of the training of its networks, anew in every round"
    ),
    "search.nao_ws.num_rounds": whole(
        5, 1, "in each the supernet is trained, then the pool renewed by it"
    ),
    "search.nao_ws.num_epochs": whole(30, 1, "of the supernet in a round"),
    "search.nao_ws.pool": whole(
        600,
        2,
        "architectures that the supernet is trained on",
        high=100_000,
    ),
    "search.nao_ws.num_new": whole(
        300,
        1,
        "of them, which replace the worst after a round",
        high=100_000,
    ),
    "search.nao_ws.num_network_epochs": whole(
        300, 1, "of encoder, predictor and decoder, anew in every round"
    ),
    "search.darts.num_epochs": whole(
        50, 1, "of its training, each of half the training images"
    ),
    "search.darts.second_order": switch(
        False,
        "whether the architecture's gradient takes the step of the weights "
        "into account, which takes about three times as long",
    ),
    "search.darts.learning_rate": real(
        3e-4, "a number > 0", lambda v: v > 0, "of Adam, for the architecture"
    ),
    "search.enas.num_epochs": whole(
        150, 1, "of the supernet, of architectures that its controller draws"
    ),
    "search.enas.num_updates": whole(
        30, 1, "of the controller after each epoch"
    ),
    "search.enas.policy": choice(
        "lstm", POLICIES, "of the controller, as `search.reinforce.policy`"
    ),
    "search.enas.learning_rate": real(
        0.0035, "a number > 0", lambda v: v > 0, "of Adam, for the controller"
    ),
    "search.enas.baseline_decay": real(
        0.99,
        "a number in [0, 1)",
        lambda v: 0 <= v < 1,
        "of the moving mean of rewards",
    ),
    "search.enas.batch": whole(10, 1, "architectures per update", high=10_000),
    "search.num_architectures": whole(
        128,
        1,
        "architectures that are proposed: `random` draws different ones",
        high=100_000,
    ),
    "search.space": Field(
        "cells",
        f"one of {', '.join(SPACES)}, or {OWN_FUNCTION}",
        lambda v: is_one_of(v, SPACES),
        "what architectures are chosen from: the paper's cells, or those of "
        "NAS-Bench-201",
    ),
    "search.num_nodes": whole(
        5,
        1,
        "nodes per cell, of the space `cells`",
        high=20,
    ),
    "search.num_cells": whole(
        3,
        0,
        "N, normal cells between reductions; 3N + 2 cells in all (`nb201`: 3N "
        "and two residual blocks)",
        high=100,
    ),
    "search.channels": whole(
        32,
        1,
        "F, channels of a state before the first reduction",
    ),
    "search.ops": Field(
        tuple(OPS)[:11],
        f"a tuple of different ones of {', '.join(OPS)}",
        are_different(is_op),
        "operations of the space `cells`",
    ),
    "search.evaluators": Field(
        ("gtn", "real", "params", "flops"),
        f"a tuple of different ones of {CHOICES}",
        are_different(is_evaluator),
        "what scores each architecture; the first one selects. "
        "`rank_mean:gtn+naswot` is the mean of their ranks, from 0 to 1",
    ),
    "search.readout": choice(
        "log_likelihood",
        READOUTS,
        "what is read of the networks that evaluators train: "
        + "; ".join(f"`{name}`: {what}" for name, what in READOUTS.items())
        + ". Of one evaluator alone: `gtn:readout=log_likelihood`. `supernet` "
        "and `ghn` know the first two; by another they are read as "
        "log_likelihood",
    ),
    "search.statistics": choice(
        "last_batch",
        STATISTICS,
        "how batch normalisation treats the validation images that a readout "
        "looks at: "
        + "; ".join(f"`{name}`: {what}" for name, what in STATISTICS.items())
        + ". Of one evaluator alone: `gtn:statistics=validation`",
    ),
    "search.num_initializations": whole(
        1,
        1,
        "networks that evaluators train of an architecture; the mean counts. "
        "Of one evaluator alone: `gtn:initializations=3`",
    ),
    "search.num_validation_images": whole(
        None,
        1,
        "the first ones, that networks which evaluators train are read on; "
        "None: all. The truth reads all",
    ),
    "search.common_random_numbers": switch(
        True,
        "every architecture is scored from the same seed: by the same initial "
        "values at the same places and on the same real batches, so that two "
        "differ less by chance; False: from a seed of its own, as the truth is",
    ),
    "search.guide": Field(
        None,
        f"None or one of {CHOICES}, but no {RANK_MEAN}",
        lambda value: value is None or is_single_evaluator(value),
        "what alone scores the architectures that are proposed, in place of "
        "`search.evaluators`; the truth is found of its best ones only, and "
        "selects",
    ),
    "search.select_top": whole(
        10, 0, "the best by `search.guide` that the truth is found of"
    ),
    "search.truth": Field(
        "real:epochs=100",
        f"one of {CHOICES}, but no {RANK_MEAN}",
        is_single_evaluator,
        "the accuracy that the scores are compared with; `real` trains the "
        "network in its final form here (plain convolutions, running "
        "statistics) and by a cosine schedule",
    ),
    "search.truth_num_architectures": whole(
        None,
        0,
        "architectures, the first drawn, that the truth is found of; None: "
        "all. Not read with `search.guide`: see `search.select_top`",
    ),
    "search.truth_learning_rate": real(
        0.025, "a number > 0", lambda v: v > 0, "of SGD"
    ),
    "search.truth_batch_size": whole(128, 2, "real images per step"),
    "search.real_learning_rate": real(
        0.025,
        "a number > 0",
        lambda v: v > 0,
        "of SGD, for the evaluators `real` and `real_subset`",
    ),
    "search.real_momentum": real(
        0.9,
        "a number in [0, 1)",
        lambda v: 0 <= v < 1,
        "of SGD, for them and the truth",
    ),
    "search.real_schedule": choice(
        "cosine",
        SCHEDULES,
        "of their rate, over the steps, epochs or seconds given",
    ),
    "search.real_batch_size": whole(
        None,
        2,
        "real images per step for them; None: inner.batch_size",
    ),
    "search.table": Field(
        None,
        "None or a CSV file",
        is_path,
        "what the evaluator `table` reads: columns `genotype` and `score`, or "
        "those of NAS-Bench-201's tables, `net` and `val_accs`",
    ),
    "search.supernet.path": Field(
        None,
        "None or a folder search/supernet/NAME of a workdir",
        is_path,
        "the supernet of the evaluator `supernet`; None: one is trained first",
    ),
    "search.supernet.num_epochs": whole(
        100, 1, "of its training, with the momentum of `real`, cosine"
    ),
    "search.supernet.learning_rate": real(
        None,
        "a number > 0",
        lambda v: v > 0,
        "at the start; None: search.real_learning_rate",
    ),
    "search.ghn.path": Field(
        None,
        "None or a folder search/ghn/NAME of a workdir",
        is_path,
        "the hypernetwork of the evaluator `ghn`; None: one is trained first",
    ),
    "search.ghn.num_epochs": whole(100, 1, "of its training"),
    "search.ghn.learning_rate": real(
        1e-3, "a number > 0", lambda v: v > 0, "of Adam, cosine"
    ),
    "search.ghn.num_phases": whole(
        5,
        1,
        "passes of messages over a cell, forwards and backwards",
        high=100,
    ),
    "search.ghn.normalizes": switch(
        True,
        "whether kernels have the variance of fresh ones and normalisation is "
        "bounded, as in GHN-2; GHN-1 has neither",
    ),
    "search.gtn": Field(
        None,
        "None, a workdir or an export",
        is_path,
        "the GTN; None: the workdir's, which is meta-trained first where it "
        "has none",
    ),
    "search.distillation": Field(
        None,
        "None, a workdir or an export",
        is_path,
        "distilled images; None: baselines/distillation in the workdir, which "
        "is meta-trained first where there is none",
    ),
    "search.interpret": switch(
        True,
        "for the evaluators, networks are assembled of pieces that are traced "
        "once; where many are trained a few steps each, one graph runs any "
        "genotype, with the same bits: tracing it takes a minute, once per "
        "process; False: each is built and traced, as for the truth",
    ),
    "search.executor": choice(
        "inline",
        EXECUTORS,
        "where evaluations run: this process, or a Ray cluster",
    ),
    "search.shard": whole(
        0,
        0,
        "which share of the evaluations this process does",
    ),
    "search.num_shards": whole(1, 1, "processes that share the workdir"),
}
