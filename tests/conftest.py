import os

# Before TensorFlow is imported: its start-up lines bury a failure.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gtn_tf  # noqa: F401  (its environment comes before TensorFlow)
