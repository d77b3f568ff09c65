"""The teachers by the name that the config key `source` gives them."""

from gtn_tf.teachers.distillation import DistilledImages
from gtn_tf.teachers.gtn import GTN
from gtn_tf.teachers.real import RealImages
from gtn_tf.teachers.teacher import Teacher

#: `source` -> class, made of (spec, seed [2], sample_real).
SOURCES: dict[str, type[Teacher]] = {
    "gtn": GTN,
    "distillation": DistilledImages,
    "real": RealImages,
}
