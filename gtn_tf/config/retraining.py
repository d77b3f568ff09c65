"""Keys of `--mode=retrain`; a workdir may change them at any time."""

from gtn_tf.config.fields import (
    Field,
    is_name,
    real,
    switch,
    whole,
)

FIELDS = {
    "retrain.genotype": Field(
        None,
        "None, a published name, a genotype file or search:WORKDIR[:EVALUATOR]",
        lambda v: v is None or (isinstance(v, str) and bool(v)),
        "what is trained: a name of docs/architectures.md; a file with a "
        "genotype as text, JSON or NAO's integers; or what a search selected, "
        "or its best by another of its evaluators",
    ),
    "retrain.name": Field(
        None,
        "None or a file name of letters, digits, _ . + and -",
        is_name,
        "folder of the results below retrain/; None: of genotype, N, F and "
        "cutout",
    ),
    "retrain.num_seeds": whole(5, 1, "trainings, of seed, seed + 1, ..."),
    "retrain.num_epochs": whole(600, 1, "of each training"),
    "retrain.batch_size": whole(
        128, 1, "real images per step, on all replicas"
    ),
    "retrain.num_cells": whole(
        6,
        0,
        "N, normal cells between reductions",
        high=100,
    ),
    "retrain.channels": whole(36, 1, "F, channels before the first reduction"),
    "retrain.learning_rate": real(
        0.025,
        "a number > 0",
        lambda v: v > 0,
        "of the first epoch; a cosine to 0 in steps of one epoch follows",
    ),
    "retrain.momentum": real(
        0.9,
        "a number in [0, 1)",
        lambda v: 0 <= v < 1,
        "of SGD, without Nesterov's",
    ),
    "retrain.weight_decay": real(
        3e-4,
        "a number >= 0",
        lambda v: v >= 0,
        "times every parameter is added to its gradient",
    ),
    "retrain.global_clipnorm": real(
        5.0,
        "a number > 0",
        lambda v: v > 0,
        "largest norm of the gradient, before weight decay",
    ),
    "retrain.dropout_keep": real(
        0.6,
        "a number in (0, 1]",
        lambda v: 0 < v <= 1,
        "share kept before the classifier",
    ),
    "retrain.drop_path_keep": real(
        0.8,
        "a number in (0, 1]",
        lambda v: 0 < v <= 1,
        "share kept of an operation's outputs, per image, in the last cell at "
        "the end; less is dropped before",
    ),
    "retrain.auxiliary_weight": real(
        0.4,
        "a number >= 0",
        lambda v: v >= 0,
        "of the loss of the auxiliary head; 0: no such head",
    ),
    "retrain.cutout": whole(
        16, 0, "pixels of the side of Cutout's square; 0: none"
    ),
    "retrain.use_validation": switch(
        True,
        "train on the validation images too, as nothing is chosen any more; "
        "False: measure on them after every epoch",
    ),
    "retrain.checkpoint_every_epochs": whole(
        1, 1, "epochs between checkpoints"
    ),
}
