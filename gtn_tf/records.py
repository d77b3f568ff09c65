"""`python -m gtn_tf.records` of earlier versions: `tools.records`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("tools.records", run_name="__main__")
