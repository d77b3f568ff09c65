import re
import shlex
import sys
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from gtn_tf.config import validate
from gtn_tf.config.named import config_names
from gtn_tf.main import MODES, with_paths

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


def test_the_makefile_has_commands():
    commands = list(_made())
    assert len(commands) == 7
    assert sum("--mode=retrain" in command for command in commands) == 2


def test_the_readme_is_short():
    assert len((_ROOT / "README.md").read_text().split()) <= 700


def test_the_site_leads_to_every_page_of_results():
    navigation = (_ROOT / "mkdocs.yml").read_text()
    docs = _ROOT / "docs"
    for path in (docs / "results").rglob("*.md"):
        assert f": {path.relative_to(docs)}\n" in navigation, path


def test_usage_lists_every_config():
    text = (_ROOT / "docs" / "usage.md").read_text()
    for name in config_names():
        assert f"| `{name}`" in text or f", `{name}`" in text, name


def _made():
    """Yields every gtn_tf command of the Makefile, as `make` runs it."""
    text = re.sub(r"\\\n\s*", "", (_ROOT / "Makefile").read_text())
    values = dict(re.findall(r"^(\w+) [:?]= (.*)$", text, re.MULTILINE))
    for line in re.findall(r"^\t(\$\(\w+\).*)$", text, re.MULTILINE):
        while found := re.search(r"\$\((\w+)\)", line):
            line = line.replace(found[0], values[found[1]])
        if "--config=" in line:
            yield line.partition("-m gtn_tf.main")[2]


def _commands():
    """Yields every gtn_tf command of the pages and configs, on one line."""
    for command in _made():
        yield pytest.param(command, id=f"Makefile:{command.strip()}")
    for path in (*_PAGES, *_ROOT.glob("configs/*.py")):
        text = re.sub(r"\\\n\s*", "", path.read_text())
        name = path.relative_to(_ROOT)
        for line in text.splitlines():
            found = re.match(r"\s+(?:python -m gtn_tf\.main|gtn-tf)( .*)", line)
            if found and "--config=" in line and "mine.py" not in line:
                command = found[1].partition("  #")[0]
                yield pytest.param(command, id=f"{name}:{command.strip()}")


# ml_collections' own.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
@pytest.mark.parametrize("command", list(_commands()))
def test_commands_are_understood(command, monkeypatch):
    """Flags and values of each; that the modes run is shown elsewhere."""
    monkeypatch.chdir(_ROOT)
    arguments = with_paths(["main", *shlex.split(command)])
    monkeypatch.setattr(sys, "argv", arguments)  # config_flags reads it
    values = flags.FlagValues()
    config = config_flags.DEFINE_config_file(
        "config", lock_config=True, flag_values=values
    )
    mode = flags.DEFINE_string("mode", "pretrain", "", flag_values=values)
    flags.DEFINE_string("workdir", None, "", flag_values=values)
    assert values(arguments) == ["main"]
    assert mode.value in MODES
    validate(config.value)
