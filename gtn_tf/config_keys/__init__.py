"""Every config key, by what it is for; `gtn_tf.config` puts them together."""
