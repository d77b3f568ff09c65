"""One self-contained page of whatever a workdir holds; no TensorFlow here."""
