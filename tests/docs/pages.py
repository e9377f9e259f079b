"""The pages of ``docs/`` as the tests read them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import faceleak

ROOT = Path(faceleak.__file__).resolve().parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FRONT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")]


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    about: str  # what stands behind the language: a file's name, or "run"
    text: str


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    found = re.findall(r"^```(\w*) ?([^\n]*)\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [Block(page, *parts) for parts in found]


def block(page: str, about: str) -> str:
    """The text of the one block of ``docs/page`` that is called ``about``."""
    (found,) = (one for one in blocks(DOCS / page) if one.about == about)
    return found.text
