"""Meta-training: from a config to objects, and the outer loop over them."""
