"""What the keys of a config can be set to, by name.

Of packages above this one, so that a config is checked without TensorFlow; a
dict says where each thing is. What can be chosen of packages below is in their
own `registry`.
"""

#: What `evaluate` compares the workdir's own source with.
BASELINES = {
    name: f"gtn_tf.evaluation.baselines:{name}"
    for name in ("real", "real_tuned", "real_subset", "distillation", "noise")
}
#: Of the learner.
INNER_OPTIMIZERS = {
    name: f"gtn_tf.meta.inner_optimizers:{name.upper()}"
    for name in ("sgd", "adam", "rmsprop")
}
#: How devices share a meta-step -> what finds them.
STRATEGIES = {
    name: f"gtn_tf.runtime.devices:{name}"
    for name in ("auto", "one_device", "mirrored", "multi_worker", "tpu")
}
PRECISIONS = ("float32", "mixed_bfloat16")
EXECUTORS = {
    "inline": "gtn_tf.nas.executors:run_inline",
    "ray": "gtn_tf.nas.executors:run_ray",
}
#: What chooses the architectures of a search -> what makes it.
SEARCH_STRATEGIES = {
    name: f"gtn_tf.nas.strategies.{name}:{name.capitalize()}"
    for name in ("random", "evolution", "local", "reinforce", "darts", "enas")
} | {
    "nao": "gtn_tf.nas.strategies.nao:NAO",
    "nao_ws": "gtn_tf.nas.strategies.nao_ws:NAOWS",
}
#: Of the strategy `reinforce`.
POLICIES = {
    "logits": "gtn_tf.nas.strategies.policies:Logits",
    "lstm": "gtn_tf.nas.strategies.policies:Recurrent",
}
#: Share of a budget that is spent -> factor of the learning rate.
SCHEDULES = {
    name: f"gtn_tf.nas.evaluators.real:{name}"
    for name in ("constant", "cosine")
}
#: What takes the numbers of a training beside its files; a log of ours has the
#: name of its package.
LOGS = {
    "tensorboard": "gtn_tf.runtime.tensorboard:TensorBoardLog",
    "wandb": "gtn_tf.runtime.wandb_log:WandbLog",
}
#: Experiment of `evaluate` -> where it is.
EXPERIMENTS = {
    name: f"gtn_tf.experiments.{name}:EXPERIMENT"
    for name in (
        "few_step",
        "curricula",
        "weight_norm",
        "transfer",
        "more_data",
        "ablation",
        "any_network",
        "any_ranking",
        "search_methods",
    )
}
