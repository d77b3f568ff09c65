"""What is meta-trained, and how: data, generator, learner, both loops."""

from gtn_tf.config.choices import INNER_OPTIMIZERS
from gtn_tf.config.fields import (
    OWN_FUNCTION,
    Field,
    are_counts,
    are_different,
    are_families_widths,
    are_widths,
    choice,
    is_int,
    is_one_of,
    is_op,
    is_path,
    is_scheme,
    is_size,
    real,
    switch,
    whole,
)
from gtn_tf.datasets.registry import DATASETS, SCHEME_FORMS
from gtn_tf.layers.registry import (
    CONVOLUTIONS,
    INITIALIZERS,
    NORMALIZATIONS,
)
from gtn_tf.learners.registry import LEARNERS, POOLS
from gtn_tf.search_spaces.cells.operations import OPS
from gtn_tf.search_spaces.registry import SPACES
from gtn_tf.teachers.registry import CURRICULA, SOURCES

FIELDS = {
    "seed": Field(
        0,
        "a whole number in [0, 2**62)",
        lambda v: is_int(v) and 0 <= v < 2**62,
        "root of all random numbers",
    ),
    "dataset.name": Field(
        "mnist",
        f"one of {', '.join(DATASETS)}, {SCHEME_FORMS}, or {OWN_FUNCTION}",
        lambda v: is_one_of(v, DATASETS) or is_scheme(v),
        "real images: named ones; any of TFDS' for classification; a file of "
        "arrays; a folder of image files for each class; or what a function "
        "of no arguments returns (see gtn_tf/datasets/arrays.py)",
    ),
    "dataset.data_dir": Field(
        None,
        "None or a directory",
        is_path,
        "where TFDS' data are; None: TFDS_DATA_DIR or TFDS' default",
        may_change=True,
    ),
    "dataset.split_seed": whole(
        0, 0, "draws the train / validation split, and what max_images leaves"
    ),
    "dataset.image_size": Field(
        None,
        "None, a whole number >= 1, or (height, width)",
        is_size,
        "pixels of a side, or of both, that images are resized to; None: as "
        "they are, which must be alike",
    ),
    "dataset.max_images": whole(
        None,
        2,
        "most images of each split that the data have, drawn by split_seed; "
        "None: all",
    ),
    "source": choice(
        "gtn",
        SOURCES,
        "a generator; dataset distillation: the images themselves are the "
        "meta-parameters; real images, of which only the inner rates are "
        "learned (a baseline)",
    ),
    "generator.noise_dim": whole(128, 1, "Z"),
    "generator.dense_widths": Field(
        (1024,),
        "a tuple of whole numbers >= 1",
        are_counts,
        "units of the hidden dense layers",
    ),
    "generator.channels": Field(
        (128, 64),
        "two whole numbers >= 1",
        lambda v: are_counts(v) and len(v) == 2,
        "channels before the first and before the second convolution",
    ),
    "generator.rematerialize": switch(
        False,
        "recompute its activations batch by batch instead of keeping those of "
        "all T batches: a third more work, T times less memory",
    ),
    "warm_start.num_images": whole(
        0,
        0,
        "real training images, the classes alike, that synthetic ones begin "
        "as: distilled images as they are, a generator and its noise fitted "
        "to them; 0: begin at random",
    ),
    "warm_start.fit_steps": whole(
        600, 1, "Adam steps of mean squared error, of a generator"
    ),
    "warm_start.fit_learning_rate": real(
        0.01, "a number > 0", lambda v: v > 0, "of Adam, falling to 0"
    ),
    "curriculum.name": choice(
        "full",
        CURRICULA,
        "learned noise in a learned order; batches shuffled; all examples "
        "shuffled; fresh noise; fixed random noise",
    ),
    "curriculum.learn_labels": switch(False, "soft labels, learned"),
    "learner.name": Field(
        "conv2_fc",
        f"one or several (comma-separated) of "
        f"{', '.join(LEARNERS)} or {OWN_FUNCTION}",
        lambda v: (
            isinstance(v, str)
            and all(is_one_of(n.strip(), LEARNERS) for n in v.split(","))
        ),
        "family, or a function (image_shape, num_classes) -> Keras model, "
        "which the other keys of learner do not touch; of several, each "
        "learner draws one",
    ),
    "learner.pool": Field(
        None,
        f"None or one of {', '.join(POOLS)}",
        lambda v: v is None or (isinstance(v, str) and v in POOLS),
        "networks drawn by the seed that take the place of learner.name, and "
        "that no other key of learner touches: each learner draws one of them",
    ),
    "learner.pool_num_networks": whole(
        8,
        1,
        "of the pool, each of which is traced",
        high=1000,
    ),
    "learner.widths": Field(
        None,
        "None, or a width or (low, high) per layer; one such tuple or None "
        "per family if there are several",
        lambda v: are_widths(v) or (are_families_widths(v) and len(v) > 0),
        "units per layer, fixed or drawn per learner, ends included; None: "
        "the official ones",
    ),
    "learner.weight_norm": switch(True, "W = g V / norm(V), or plain layers"),
    "learner.normalization": choice(
        "mean_only", NORMALIZATIONS, "batch normalisation of the learner"
    ),
    "learner.convolution": choice(
        "direct",
        CONVOLUTIONS,
        "of the families; patches: by products of matrices where batches of "
        "images are so small that it is faster on CPU (8x8 digits: 1.4 "
        "times). The same up to rounding",
    ),
    "learner.initializer": choice(
        "he_normal",
        INITIALIZERS,
        "of the kernels of a fresh learner; half and double: times 0.5, 2; "
        "drawn widths and family cell have he_normal",
    ),
    "learner.pool_size": Field(
        3,
        "2 or 3",
        lambda v: is_int(v) and v in (2, 3),
        "pixels of the max-pools; 3 officially, 2 is cheaper on CPU and "
        "better on 8x8 images",
    ),
    "learner.space": Field(
        "cells",
        f"one of {', '.join(SPACES)}, or {OWN_FUNCTION}",
        lambda v: is_one_of(v, SPACES),
        "of family cell: what its genotypes are of, as search.space",
    ),
    "learner.genotype": Field(
        None,
        "None or a genotype",
        lambda v: v is None or (isinstance(v, str) and bool(v)),
        "of family cell: a published name or the text form; None: drawn from "
        "the space",
    ),
    "learner.num_genotypes": whole(
        None,
        1,
        "of family cell: so many are drawn from the space beforehand, and "
        "each learner draws one of them, as if it were a family; None: each "
        "learner draws its own, by one graph that interprets any (minutes to "
        "trace, several times slower)",
        high=1000,
    ),
    "learner.num_cells": whole(
        1,
        0,
        "N of family cell: normal cells between reductions",
        high=100,
    ),
    "learner.channels": whole(
        32, 1, "F of family cell: before the first reduction"
    ),
    "learner.num_nodes": whole(
        5,
        1,
        "per cell that is drawn",
        high=20,
    ),
    "learner.ops": Field(
        tuple(OPS)[:11],
        f"a tuple of different ones of {', '.join(OPS)}",
        are_different(is_op),
        "operations of the cells that are drawn",
    ),
    "inner.num_steps": whole(32, 1, "T"),
    "inner.batch_size": whole(128, 2, "B, synthetic images per inner step"),
    "inner.optimizer": choice("sgd", INNER_OPTIMIZERS, "of the learner"),
    "inner.learning_rate": real(
        0.02,
        "a number >= 1e-6",
        lambda v: v >= 1e-6,
        "initial, at every inner step",
    ),
    "inner.momentum": real(
        0.5,
        "a number in [0, 1)",
        lambda v: 0 <= v < 1,
        "initial, at every inner step; adam: beta_1",
    ),
    "inner.learning_rate_spread": real(
        0.0,
        "a number >= 0",
        lambda v: v >= 0,
        "s: in meta-training each learner's rates are those learned times "
        "exp(U[-s, s]), one draw per learner",
    ),
    "inner.learn_hyperparameters": switch(
        True, "learn a rate and a momentum for each inner step"
    ),
    "inner.rematerialize": switch(
        True,
        "keep states only and recompute activations, step by step; False: "
        "keep all (faster below a few steps, memory and tracing grow with T)",
    ),
    "inner.truncation_window": whole(
        None,
        1,
        "M: every learner stops after a random number of steps in [M, T], and "
        "gradients flow through its last M steps only; None: all T",
    ),
    "inner.meta_loss_every": whole(
        0, 0, "k: a meta-loss every k inner steps; 0: after the last only"
    ),
    "meta.num_steps": whole(2000, 1, "meta-steps in all", may_change=True),
    "meta.num_learners": whole(
        1, 1, "learners per meta-step, on all replicas together"
    ),
    "meta.learner_batch_size": whole(
        1,
        1,
        "of them, so many go side by side through one graph with one more "
        "axis, if they share their batches: faster for small networks on CPU. "
        "The same up to rounding",
    ),
    "meta.batch_size": whole(128, 1, "real images per meta-loss"),
    "meta.balance_classes": switch(
        False,
        "real images of the meta-loss are of all classes alike; False: as "
        "many of each class as the data have",
    ),
    "meta.learning_rate": real(
        0.01, "a number > 0", lambda v: v > 0, "of Adam, initial"
    ),
    "meta.noise_rate_ratio": real(
        1.0,
        "a number > 0",
        lambda v: v > 0,
        "rate of the learned noise, as a multiple of meta.learning_rate",
    ),
    "meta.final_learning_rate_ratio": real(
        0.1,
        "a number in [0, 1]",
        lambda v: 0 <= v <= 1,
        "end of the cosine decay over meta.num_steps, as a share",
    ),
    "meta.adam_beta_1": real(0.9, "in [0, 1)", lambda v: 0 <= v < 1, "Adam's"),
    "meta.adam_beta_2": real(
        0.999, "in [0, 1)", lambda v: 0 <= v < 1, "Adam's"
    ),
    "meta.adam_epsilon": real(1e-8, "a number > 0", lambda v: v > 0, "Adam's"),
    "meta.global_clipnorm": real(
        None,
        "a number > 0",
        lambda v: v > 0,
        "largest norm of the mean meta-gradient",
    ),
    "meta.validation_every": whole(
        50,
        0,
        "meta-steps between validations; 0: at the end only",
    ),
    "meta.validation_num_learners": whole(
        5, 1, "fresh learners whose validation accuracies are averaged"
    ),
}
