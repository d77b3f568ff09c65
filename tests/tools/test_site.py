import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("material")  # the extra `docs`
    pytest.importorskip("mkdocstrings_handlers.python")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--site-dir", str(tmp_path)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    api = (tmp_path / "api" / "index.html").read_text()
    for name in ("fit", "load", "Teacher", "rank"):
        assert f'.{name}"' in api
    assert "inner_batch_size" in api
    # What lies beside docs/ is named, and not linked.
    assert "../launch" not in (tmp_path / "usage" / "index.html").read_text()
