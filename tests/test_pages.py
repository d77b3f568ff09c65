import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_PAGES = [
    path
    for folder in (".", "docs", "docs/results", "docs/results/*", "launch")
    for path in _ROOT.glob(f"{folder}/*.md")
]


@pytest.mark.parametrize(
    "page", _PAGES, ids=lambda p: str(p.relative_to(_ROOT))
)
def test_links_lead_somewhere(page):
    text = page.read_text()
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            path = page.parent / target.partition("#")[0]
            assert path.exists(), target


def test_the_readme_is_short():
    assert len((_ROOT / "README.md").read_text().split()) <= 700
