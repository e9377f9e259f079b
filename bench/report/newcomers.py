"""Who came to a board by ``faceleak merge``, and where the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .tables import Line, Table

MERGED = "merged"  # of run.json


@dataclass(frozen=True)
class Newcomers:
    """Names that the board did not have.

    Args:
        defenses: titles.
        attacks: titles.
    """

    defenses: frozenset[str] = frozenset()
    attacks: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.defenses or self.attacks)

    def marked(self, table: Table) -> Table:
        """The table with the newcomers' lines marked."""
        return replace(table, lines=[replace(line, new=True) if self._is_new(line) else line for line in table.lines])

    def _is_new(self, line: Line) -> bool:
        first = line.cells[0].text.split(" [")[0] if line.cells and not line.defense else ""
        return line.defense in self.defenses or first in self.attacks


def newcomers_of(run: Mapping[str, Any]) -> Newcomers:
    """As ``run.json`` names them; nobody where the run is no merged one."""
    told = run.get(MERGED)
    names = told.get("newcomers") if isinstance(told, Mapping) else None
    found = names if isinstance(names, Mapping) else {}
    return Newcomers(*(frozenset(map(str, found.get(kind) or ())) for kind in ("defenses", "attacks")))
