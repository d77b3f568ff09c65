"""What a process that is forked begins with: TensorFlow, but no device.

Imported by the server that forks. Its million objects are no garbage.
"""

import gc

gc.disable()

import sklearn.datasets  # noqa: F401

import gtn_tf.main
import gtn_tf.training.pretrain  # noqa: F401

gc.enable()
gc.freeze()
