"""Where and how a run goes: checkpoints, logs, devices, precision."""

from gtn_tf.config.choices import LOGS, PRECISIONS, STRATEGIES
from gtn_tf.config.fields import (
    Field,
    choice,
    is_one_of,
    switch,
    whole,
)

FIELDS = {
    "checkpoint.every_steps": whole(
        100, 1, "meta-steps between checkpoints", may_change=True
    ),
    "checkpoint.max_to_keep": whole(3, 1, "checkpoints kept", may_change=True),
    "log.samples_every": whole(
        500,
        0,
        "meta-steps between pictures of the curriculum; 0: at the end only",
        may_change=True,
    ),
    "log.tensorboard": switch(
        True, "write TensorBoard events", may_change=True
    ),
    "log.to": Field(
        None,
        f"None, one of {', '.join(LOGS)}, or package.module:class",
        lambda v: v is None or is_one_of(v, LOGS),
        "another log of the same numbers; wandb needs the extra of its name",
        may_change=True,
    ),
    "strategy": choice(
        "auto", STRATEGIES, "how devices share a meta-step", may_change=True
    ),
    "num_logical_devices": whole(
        None,
        1,
        "CPU devices to split the machine into",
        may_change=True,
        high=256,
    ),
    "connect_timeout_seconds": whole(
        600,
        1,
        "how long the workers of TF_CONFIG wait for each other to start",
        may_change=True,
    ),
    "precision": choice("float32", PRECISIONS, "Keras dtype policy"),
    "tensor_float_32": switch(
        False, "let GPUs round the factors of float32 products to 10 bits"
    ),
    "jit_compile": Field(
        "auto",
        "auto, True or False",
        lambda v: v == "auto" or isinstance(v, bool),
        "compile the meta-step with XLA; auto: not on CPU, where XLA's "
        "convolutions are many times slower; TPUs compile it in any case. "
        "Random numbers are others than without",
    ),
}
