"""`python -m gtn_tf.records` of earlier versions: `tools.records`.

The tools belong to the checkout around this package and are not installed.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    _CHECKOUT = Path(__file__).parents[1]
    if not (_CHECKOUT / "tools" / "records.py").exists():
        print(
            f"error: {str(_CHECKOUT)!r} has no tools/records.py; expected a "
            "checkout of gtn_tf; run python -m tools.records in one",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.path.insert(0, str(_CHECKOUT))
    runpy.run_module("tools.records", run_name="__main__")
