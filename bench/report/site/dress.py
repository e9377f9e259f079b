"""A board's own pages, as committed, in the dress of the site: its head, its style and script, a way back, their age.

What stands in the body is what was committed with the numbers: curves and commands that no copy of a run holds outside
its pages. Of the head and the script nothing is kept, and the body is looked through: a page that has more in it than a
report writes is refused.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from ...core.errors import InputError
from .board import Board
from .threats import THREATS

_TITLE = re.compile(r"<title>(.*?) · faceleak</title>")
_TAGS = frozenset({
    "a", "b", "button", "code", "dd", "details", "div", "dl", "dt", "em", "figcaption", "figure", "form", "h1", "h2",
    "h3", "header", "img", "label", "li", "main", "nav", "option", "p", "polyline", "pre", "section", "select", "small",
    "span", "summary", "svg", "table", "tbody", "td", "th", "thead", "tr", "ul",
})  # fmt: skip
_ATTRIBUTES = frozenset({
    "alt", "class", "height", "href", "id", "name", "open", "points", "role", "scope", "src", "tabindex", "title",
    "type", "value", "viewbox", "width",
})  # fmt: skip
_ELSEWHERE = re.compile(r"\s*([\w+.-]+:|//|\\)")  # a link with a scheme, or to another machine


class _Looked(HTMLParser):
    """What a report never writes: the first tag, attribute or link of that kind."""

    foreign = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called for every tag."""
        if tag not in _TAGS:
            self.foreign = self.foreign or f"<{tag}>"
        for name, value in attrs:
            known = name in _ATTRIBUTES or name.startswith(("data-", "aria-"))
            if not known or (name in ("href", "src") and _ELSEWHERE.match(value or "")):
                self.foreign = self.foreign or f"{name}={value}"


def dressed(page: Path, board: Board, made: Environment) -> str:
    """The page as text.

    Args:
        page: index.html or cells.html of a committed board.
        board: that it is of.
        made: the templates, with the site's style and script.

    Raises:
        InputError: it is not a page of a report.
    """
    head, _, rest = page.read_text(encoding="utf-8").partition("</head><body>\n")
    body, script, _ = rest.rpartition("<script>\n")
    title = _TITLE.search(head)
    looked = _Looked(convert_charrefs=True)
    looked.feed(body)
    looked.close()
    if not script or not title or looked.foreign:
        what = f" (it has {looked.foreign[:80]})" if looked.foreign else ""
        raise InputError(
            f"{page} is not a page that `faceleak report` wrote{what}; `faceleak report {page.parent}` writes one."
        )
    return made.get_template("site_board.html").render(
        title=html.unescape(title[1]), board=board, root="../../", page=page.name, threats=THREATS,
        body=Markup(body),  # escaped when it was written, and looked through just now  # nosec B704
    )  # fmt: skip
