"""What a config can choose of teachers, by name; no TensorFlow here."""

_HERE = "gtn_tf.teachers"

#: `source` -> class, made of (spec, seed [2], sample_real).
SOURCES = {
    "gtn": f"{_HERE}.gtn:GTN",
    "distillation": f"{_HERE}.distillation:DistilledImages",
    "real": f"{_HERE}.real:RealImages",
}

#: `curriculum.name` -> which noise a learner meets at which inner step.
CURRICULA = {
    name: f"{_HERE}.curricula:{name.upper()}"
    for name in (
        "full",
        "shuffled_batch",
        "all_shuffled",
        "none",
        "fixed_noise",
    )
}
