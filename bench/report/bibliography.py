"""BibTeX of every method in a run, from the citation at the top of each plug-in's file.

That is prose for readers, so what cannot be read out of it for sure stands as it was written; nothing is made up.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import FaceleakError
from ..core.registry import ATTACKS, DEFENSES, RECOGNIZERS
from .latex import escape

# Surnames, "Title", where and when: as files begin.
_HEAD = re.compile(
    r'(?P<who>[^\W\d_][^".;:(]{1,120}?(?: et al\.)?),\s*"(?P<title>[^"]{8,300}?),?"\s*,?\s*'
    r'(?P<where>[^".;]{3,120})?'
)
_ARXIV = re.compile(r"arXiv[: ](\d{4}\.\d{4,5})")
_YEAR = re.compile(r"\b(19[4-9]\d|20[0-4]\d)\b")


@dataclass(frozen=True)
class Entry:
    """One reference.

    Args:
        key: of ``\\cite``.
        kind: BibTeX's.
        fields: name -> text that is LaTeX already.
    """

    key: str
    kind: str
    fields: Mapping[str, str]

    def __str__(self) -> str:
        lines = [f"  {name} = {{{text}}}," for name, text in self.fields.items() if text]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


SUITE = Entry(
    "faceleak", "misc",
    {"author": "{The faceleak authors}", "title": "{faceleak}: how much of a face leaks out of what face "
     "recognisers store, send or publish, and what stops it", "note": "Software"},
)  # fmt: skip


def methods_of(run: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Title on the board -> (kind, registered name) of what the run's track names; of a chain both parts."""
    found: dict[str, tuple[str, str]] = {}
    resolved = run.get("resolved")
    parts = resolved if isinstance(resolved, Mapping) else {}
    for kind in ("defenses", "attacks"):
        for spec in parts.get(kind) or ():
            names = spec["name"] if isinstance(spec["name"], list) else [spec["name"]]
            for name in names:
                found[str(spec.get("label") or name) if len(names) == 1 else str(name)] = (kind, str(name))
    for alias, spec in dict(parts.get("recognizers") or {}).items():
        found[str(alias)] = ("recognizers", str(spec["type"]))
    return found


def entries_of(methods: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
    """References of those methods that cite something; the others are the suite's own.

    Args:
        methods: (kind, registered name).
    """
    registries = {"attacks": ATTACKS, "defenses": DEFENSES, "recognizers": RECOGNIZERS}
    found: dict[tuple[str, str], Entry] = {}
    for kind, name in dict.fromkeys(methods):
        try:
            plugin = registries[kind].get(name)
        except FaceleakError:  # of a package that is not here
            continue
        head = inspect.getdoc(sys.modules.get(plugin.__module__)) or ""
        if plugin.paper or _HEAD.search(" ".join(head.split("\n\n")[1:2])):
            found[kind, name] = _entry(name, str(plugin.paper), head)
    return found


def _entry(name: str, paper: str, head: str) -> Entry:
    # The file's own citation comes first; what it is held against, later.
    text = " ".join(" ".join(head.split("\n\n")[:2]).split())
    read = _HEAD.search(text)
    if read and paper and not _agree(read, paper):
        read = None
    where = f"{read['where'] or ''} {paper}" if read else paper
    arxiv, year = _ARXIV.search(f"{where} {text if read else ''}"), _YEAR.search(where)
    when = year[1] if year else f"20{arxiv[1][:2]}" if arxiv else ""
    fields = {"author": _authors(read["who"])} if read else {}
    fields |= {"title": f"{{{escape(read['title'] if read else paper)}}}"}  # in braces: no style changes its capitals
    fields |= {"year": when, "howpublished": escape(_place(read["where"] or "")) if read else ""}
    fields |= {"eprint": arxiv[1] if arxiv else "", "archiveprefix": "arXiv" if arxiv else ""}
    fields["note"] = f"Cited in faceleak as: {escape(paper)}" if paper and read else ""
    return Entry(f"faceleak:{name}", "misc", fields)


def _agree(read: re.Match[str], paper: str) -> bool:
    """Whether the head's first author, title or year is that of the short citation."""
    first = re.split(r" and ", _authors(read["who"]))[0]
    return first in paper or any(year in (read["where"] or "") for year in _YEAR.findall(paper))


def _place(where: str) -> str:
    """Journal or conference and year, without the section that a file follows."""
    ends = r",?\s+(?:sections?|supplement|chapter|variant|with|where)\b|\s\(|:"
    return re.split(ends, " ".join(where.split()))[0].strip(" ,")


def _authors(who: str) -> str:
    who = re.split(r"\b(?:as in|after|from|of|by|with|see)\s+", who)[-1]  # "Two terms, as in Mai et al."
    names = re.split(r",\s*|\s+and\s+|\s*&\s*", who.replace(" et al.", " and others"))
    return " and ".join(escape(one.strip()) for one in names if one.strip())
