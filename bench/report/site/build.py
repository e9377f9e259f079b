"""The site, put together beside an earlier one and then swapped in."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from ...core.errors import InputError
from ...record.flags import FLAGS
from ...store.durable import write_text
from ..html import environment
from .age import code_now
from .board import PAGES, Board, committed, read
from .dress import dressed
from .search import entries
from .threats import THREATS, Group, groups, ordered

MARK = "site.json"  # written last; without it a folder is not ours to replace
_SHOWN = (
    "boards", "figures", "tables", "results.csv", "results.csv.gz", "run.json", "env.json", "manifest.json",
    "failures.csv",
)  # fmt: skip
_HEADLINE = ("lfw", "ladder_lfw_retail0095_template")  # the README's figure, where that board is there


def build_site(results: Path, out: Path) -> Path:
    """See ``make_site``."""
    folders = committed(results)
    if out.exists() and not (out / MARK).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there and is not a site of faceleak; choose a new folder with --out.")
    boards = [read(folder) for folder in folders]
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".site-", dir=out.parent))
    try:
        made, new = environment(site=True), work / "new"
        for board in boards:
            _copy(board, new / board.home, made)
        for name, text in _pages(boards, made):
            (new / name).write_text(text, encoding="utf-8", newline="\n")
        if (results / "README.md").is_file():
            shutil.copyfile(results / "README.md", new / "boards" / "README.md")
        write_text(new / MARK, json.dumps(_contents(boards), indent=1) + "\n")
        if out.exists():
            out.rename(work / "old")
        new.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out / "index.html"


def _copy(board: Board, folder: Path, made: Environment) -> None:
    """What a report and its links need, and no cells, which may hold pictures; the pages in the site's dress."""
    folder.mkdir(parents=True)
    for name in _SHOWN:
        if (part := board.run.path / name).is_dir():
            shutil.copytree(part, folder / name)
        elif part.is_file():
            shutil.copyfile(part, folder / name)
    for name in PAGES:
        (folder / name).write_text(dressed(board.run.path / name, board, made), encoding="utf-8", newline="\n")


def _pages(boards: Sequence[Board], made: Environment) -> list[tuple[str, str]]:
    """Name and text of the site's own pages."""
    found = {threat.surface: groups(boards, threat.surface) for threat in THREATS}
    shared: dict[str, Any] = {"root": "", "threats": THREATS, "flags": FLAGS, "traits": {}}
    pages = [
        (threat.page, made.get_template("site_threat.html").render(
            **shared, title=threat.title, page=threat.page, threat=threat, groups=found[threat.surface],
            used_flags=_raised(group.board for group in found[threat.surface]), **_rate(boards),
        ))
        for threat in THREATS
    ]  # fmt: skip
    every = entries(boards)
    search = made.get_template("site_search.html")
    pages.append(("search.html", search.render(**shared, title="Search", page="search.html", entries=every,
                                               used_flags=_raised(boards))))  # fmt: skip
    home = made.get_template("site_home.html")
    pages.append(("index.html", home.render(
        **shared, title="How much of a face leaks", page="index.html", boards=ordered(boards), found=found,
        headline=_headline(boards), pareto=_most_marks(found["template"]), n_cells=len(every), code=code_now()[:7],
        **_rate(boards),
    )))  # fmt: skip
    return pages


def _raised(boards: Any) -> list[str]:
    return [name for name in FLAGS if any(name in board.flags for board in boards)]


def _rate(boards: Sequence[Board]) -> dict[str, str]:
    """The false match rate at which all of them are read; several where boards differ."""
    rates = sorted({board.run.headline_fmr for board in boards})
    return {"fmr_share": " or ".join(f"{100 * rate:g} %" for rate in rates)}


def _headline(boards: Sequence[Board]) -> tuple[Board, str] | None:
    """Board and picture: every attack on templates that nothing protects."""
    chosen = [(board, _HEADLINE[1]) for board in boards if board.name == _HEADLINE[0]]
    others = [(board, file.stem) for board in ordered(boards)
              for file in sorted(board.run.path.glob("figures/ladder_*_template.png"))]  # fmt: skip
    there = [(board, name) for board, name in [*chosen, *others] if (board.run.path / f"figures/{name}.png").is_file()]
    return (there[0][0], f"{there[0][0].home}figures/{there[0][1]}") if there else None


def _most_marks(found: Sequence[Group]) -> Group | None:
    """The figure that says most: of real faces, if there is one, that with most defenses."""
    drawn = [group for group in found if group.plot]
    return max(drawn, key=lambda group: (group.board.real, len(group.plot.marks) if group.plot else 0), default=None)


def _contents(boards: Sequence[Board]) -> Mapping[str, Any]:
    told = {
        board.name: {"title": board.title, "measured": [board.age.first, board.age.last],
                     "commits": list(board.age.commits), "changes_since": board.age.changes,
                     "cells": int(board.run.results["cell"].nunique())}
        for board in boards
    }  # fmt: skip
    return {"made_at": code_now(), "boards": told}
