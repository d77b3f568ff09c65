"""Everything that is drawn; no TensorFlow here.

`style` is how all of it looks.
"""
