"""What the keys of a config can be set to, by name.

Here, and not where each is implemented, so that a config is checked without
TensorFlow; tests compare the two.
"""

#: Dataset -> (image shape, number of classes).
DATASETS = {
    "digits": ((8, 8, 1), 10),
    "mnist": ((28, 28, 1), 10),
    "fashion_mnist": ((28, 28, 1), 10),
    "cifar10": ((32, 32, 3), 10),
    "cifar10_16": ((16, 16, 3), 10),
}
SOURCES = ("gtn", "distillation", "real")
#: What `evaluate` compares the workdir's own source with.
BASELINES = ("real", "real_tuned", "real_subset", "distillation", "noise")
CURRICULA = ("full", "shuffled_batch", "all_shuffled", "none", "fixed_noise")
LEARNERS = (
    "conv2_fc",
    "conv2_pool",
    "conv5_pool",
    "conv3_fc",
    "conv3_pool",
    "conv7_fc",
    "conv7_pool",
    "mlp",
    "cell",
)
INNER_OPTIMIZERS = ("sgd", "adam", "rmsprop")
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")
PRECISIONS = ("float32", "mixed_bfloat16")
EXECUTORS = ("inline", "ray")
SCHEDULES = ("constant", "cosine")
#: Experiment of `evaluate` -> what it asks.
EXPERIMENTS = {
    "few_step": (
        "How many more steps do learners need on real data to become as good "
        "as after the GTN's few?"
    ),
    "curricula": (
        "Which curriculum teaches best: learned images in a learned order, in "
        "a shuffled one, or fresh noise at every step?"
    ),
    "weight_norm": (
        "Does weight normalisation in the learner make meta-training less "
        "sensitive to its hyperparameters?"
    ),
    "transfer": (
        "Do data that were learned with one learner teach other learners too, "
        "and which way of meta-training makes them do so?"
    ),
    "more_data": (
        "What do more steps, larger batches and ensembles of learners gain, "
        "beyond what was meta-trained?"
    ),
    "ablation": "What is a change of the config worth?",
}
