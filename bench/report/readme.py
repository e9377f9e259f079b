"""``faceleak verdicts``: blocks of a Markdown page that committed runs fill, so that no sentence about them is older.

    <!-- generated: quick verdicts -->
    ...
    <!-- end -->

stands for what ``verdict_text`` says of the folder ``quick`` beside the page; all else of the page is its author's.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..core.errors import InputError
from ..store.durable import write_if_changed
from .verdict_tables import verdict_text

_BLOCK = re.compile(
    r"^<!-- generated: (?P<board>[\w.-]+) verdicts -->\n(?P<text>.*?)^<!-- end -->$", flags=re.DOTALL | re.MULTILINE
)
_MARK = re.compile(r"^<!-- (generated\b.*|end) -->$", flags=re.MULTILINE)


def blocks_of(page: str) -> dict[str, str]:
    """Board -> what stands in its block now.

    Raises:
        InputError: a mark is not half of a block, or a board has two.
    """
    found = [(match["board"], match["text"]) for match in _BLOCK.finditer(page)]
    marks = _MARK.findall(page)
    expected = [word for board, _ in found for word in (f"generated: {board} verdicts", "end")]
    if marks != expected:
        raise InputError(
            f"The page's marks are {marks}, which are not blocks: write `<!-- generated: BOARD verdicts -->` and "
            "`<!-- end -->` on lines of their own, in turn."
        )
    if len({board for board, _ in found}) < len(found):
        raise InputError(f"A board has two blocks: {', '.join(board for board, _ in found)}; keep one of each.")
    return dict(found)


def filled(page: str, texts: dict[str, str]) -> str:
    """``page`` with these texts in the blocks of their boards."""
    return _BLOCK.sub(
        lambda match: (
            f"<!-- generated: {match['board']} verdicts -->\n{texts.get(match['board'], match['text'])}<!-- end -->"
        ),
        page,
    )


def fill_page(file: Path, *, check: bool = False) -> list[str]:
    """Write what the boards beside a page say into its blocks; returns the boards whose block said something else.

    Args:
        file: a Markdown page; a block's board is a folder beside it.
        check: only say which would change.

    Raises:
        InputError: the page cannot be read, has no block, or a broken one.
        RunFolderError: a board is not there.
    """
    try:
        page = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read ({error}); give a Markdown page such as results/README.md.") from error
    now = blocks_of(page)
    if not now:
        raise InputError(f"{file} has no block; mark one by `<!-- generated: BOARD verdicts -->` and `<!-- end -->`.")
    texts = {board: verdict_text(file.parent / board) for board in now}
    changed = [board for board, text in texts.items() if text != now[board]]
    if changed and not check:
        write_if_changed(file, filled(page, texts))
    return changed
