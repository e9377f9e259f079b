"""Labels by name: literally where one is called so, as a shell pattern where none is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase


def matching(patterns: Iterable[str], labels: Collection[str]) -> set[str]:
    """Those of ``labels`` that are meant by any of ``patterns``.

    A label may hold ``*``, ``?`` and brackets: ``eps [weak]`` means itself. Nothing else is meant by a pattern that is
    a label.
    """
    found: set[str] = set()
    for pattern in patterns:
        found |= {pattern} if pattern in labels else {label for label in labels if fnmatchcase(label, pattern)}
    return found
