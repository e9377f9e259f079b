"""From all committed boards to one static site: pages by threat, a search, and each board's report in one dress."""

from __future__ import annotations

from pathlib import Path

__all__ = ["make_site"]


def make_site(results: Path, out: Path) -> Path:
    """Write the site and return its index.html; an earlier site at the same place is replaced.

    Args:
        results: folder of boards, each a folder as ``faceleak publish`` makes it.
        out: a new folder, or one with an earlier site.

    Raises:
        InputError: no board is there, one holds pictures of people or a page of other make, or ``out`` is not a site.
        RunFolderError: the rows of a board are of another version.
    """
    from .build import build_site

    return build_site(Path(results), Path(out))
