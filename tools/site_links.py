"""A hook of mkdocs: links that lead out of docs/ become plain text."""

import posixpath
import re
from typing import Any

_LINK = re.compile(r"\[([^\]\[]*)\]\(([^)\s#:]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Returns a page without links to files that are not in the site."""
    folder = posixpath.dirname(page.file.src_uri)

    def without(found: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(folder, found[2]))
        return found[1] if target.startswith("..") else found[0]

    return _LINK.sub(without, markdown)
