"""What a config can choose of layers, by name; no TensorFlow here."""

_HERE = "gtn_tf.layers"

#: `learner.normalization` -> layer, right at second order; None: no layer.
NORMALIZATIONS = {
    "mean_only": f"{_HERE}.normalization:MeanOnlyBatchNormalization",
    "batch": f"{_HERE}.normalization:BatchNormalization",
    "none": None,
}

#: `learner.convolution` -> (images, kernel, strides, padding) -> images.
CONVOLUTIONS = {
    "direct": f"{_HERE}.convolutions:direct",
    "patches": f"{_HERE}.convolutions:patches",
}

#: `learner.initializer` -> function that makes what draws kernels.
INITIALIZERS = {
    "he_normal": f"{_HERE}.initializers:he_normal",
    "glorot_normal": f"{_HERE}.initializers:glorot_normal",
    "orthogonal": "keras.initializers:Orthogonal",
    "he_normal_half": f"{_HERE}.initializers:he_normal_half",
    "he_normal_double": f"{_HERE}.initializers:he_normal_double",
}
