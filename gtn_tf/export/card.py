"""What an export says of itself to people, as Markdown; no TensorFlow here.

The head is read by the Hugging Face hub.
"""

from typing import Any

_HEAD = """\
---
library_name: gtn_tf
license: apache-2.0
tags: [dataset-distillation, generative-teaching-networks, image-classification]
---
"""


def card_of(metadata: dict[str, Any]) -> str:
    """Returns a card of what metadata.json says, and of nothing else."""
    paragraphs = [
        f"# {_title(metadata)}",
        _made_for(metadata),
        _made_with(metadata),
        *_measured(metadata.get("measured")),
        _limits(metadata),
    ]
    return _HEAD + "\n\n".join(paragraphs) + "\n"


def _title(metadata: dict[str, Any]) -> str:
    return f"Synthetic training data for {metadata['dataset']}"


def _made_for(metadata: dict[str, Any]) -> str:
    steps, batch = metadata["num_inner_steps"], metadata["inner_batch_size"]
    shape = " x ".join(map(str, metadata["image_shape"]))
    return (
        f"{steps} batches of {batch} images ({shape}, normalised), "
        f"{metadata['num_classes']} classes, with a learning rate and a "
        "momentum for each: a fresh network trains on them in their order, "
        f"{steps} steps of {metadata['inner_optimizer']}, and then does the "
        "task on real images. Made to compare networks in seconds, not to "
        "train one well: for that, real data are better."
    )


def _made_with(metadata: dict[str, Any]) -> str:
    learner = metadata.get("learner", {})
    names = learner.get("name", ["unknown"])
    given = learner.get("given", {})
    told = [
        f"`{given[name]['function']}`, a function given in Python, "
        f"{given[name]['num_weights']} weights"
        if name in given
        else f"`{name}`"
        for name in names
    ]
    text = (
        f"Meta-trained (`{metadata['source']}`) on the training images of "
        f"{metadata['dataset']}, split {metadata.get('split_seed', 0)}"
    )
    if "meta_steps" in metadata:
        text += f", for {metadata['meta_steps']} meta-steps"
    if "meta_training_seconds" in metadata:
        text += f" ({metadata['meta_training_seconds']:.0f} seconds)"
    return f"{text}, with learners of {', '.join(told)}."


def _measured(measured: dict[str, Any] | None) -> list[str]:
    if not measured:
        return [
            "What networks reach with it, and how well it ranks them, was "
            "not measured."
        ]
    rows = ["| measured | value | 95 % interval | over |", "|---|---|---|---|"]
    for row in measured["rows"]:
        low, high = row["ci95"]
        rows.append(
            f"| {row['what']} | {row['value']:.3f} | [{low:.3f}, {high:.3f}] "
            f"| {row['over']} |"
        )
    return ["\n".join(rows), *measured["notes"]]


def _limits(metadata: dict[str, Any]) -> str:
    parts = [
        "Limits: of one meta-training, one seed. Networks unlike its learners, "
        "other image sizes and other orders of the batches get less from it.",
    ]
    if metadata.get("precision") == "float16":
        parts.append("Kept in half precision, without its generator.")
    return " ".join(parts)
