"""Who is the person: which folder on the way to a picture names whom it shows.

Sets are published as ``person/picture`` and in deeper nestings: ``train/person``, ``person/frontal``, ``person/clip``.
A level is taken without being told only where nothing else fits; otherwise the setting ``person`` decides.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from ..bench.core.errors import DataError

Folders = tuple[str, ...]  # on the way to a picture, the outermost first

# Folders that part a set, whose people need not stand in each of them.
_PARTS = frozenset({
    "train", "training", "test", "testing", "val", "valid", "validation", "dev", "devel", "development", "eval",
    "evaluation", "gallery", "probe", "probes", "query", "distractor", "distractors", "enrol", "enroll", "enrolment",
    "images", "imgs", "pictures", "photos", "faces", "crops", "aligned", "data", "part1", "part2",
})  # fmt: skip
_CLEAR = 2  # times as many names as beside it that the level of people must have


def without_top(ways: Sequence[Folders]) -> int:
    """How many outer folders all pictures share and that hold no picture of their own: a set's top folder."""
    top = 0
    while ways and all(len(way) > top + 1 and way[top] == ways[0][top] for way in ways):
        top += 1
    return top


def people(ways: Sequence[Folders], top: Sequence[int], level: int, owner: str) -> tuple[list[str], str]:
    """The person of each picture, and in words how people were told apart.

    Args:
        ways: for each picture, the folders on the way to it.
        top: for each picture, how many of them are its source's top.
        level: 1 for the outermost folder, 2 for the one below it, -1 for the one that holds the picture; 0 decides.
        owner: who asks, for messages.

    Raises:
        DataError: a picture has no folder at that level, or it is unclear which level names the people.
    """
    if not level:
        inner = [way[skipped:] for way, skipped in zip(ways, top, strict=True)]
        depths = Counter(map(len, inner))
        if len(depths) > 1:
            raise DataError(_unequal(inner, ways, owner))
        depth = next(iter(depths), 1)
        found = 0 if depth == 1 else _person(inner, depth)
        if found is None:
            raise DataError(
                f"{owner}: pictures lie {depth} folders deep and it is unclear which one names the person; "
                f"{_choices(ways)}"
            )
        which = "the folder that holds the picture" if found == depth - 1 else f"folder {found + 1} of {depth}"
        return [_named(way[found]) for way in inner], f"by {which}"
    index = level - 1 if level > 0 else level
    short = [way for way in ways if len(way) < abs(level)]
    if short:
        raise DataError(
            f"{owner}: person = {level}, but a picture lies in {'/'.join(short[0]) or 'the set itself'}, only "
            f"{len(short[0])} deep; move it or choose another level."
        )
    return [_named(way[index]) for way in ways], f"by the setting person = {level}"


def _named(folder: str) -> str:
    return unicodedata.normalize("NFC", folder)


def _person(ways: Sequence[Folders], depth: int) -> int | None:
    """The level that can only be the people's, or None."""
    able = [level for level in range(depth) if _fits(ways, level, depth)]
    return able[0] if len(able) == 1 else None


def _fits(ways: Sequence[Folders], level: int, depth: int) -> bool:
    """Whether people stand at ``level``: each outer level parts the set, each inner one repeats within every person."""
    return all(_is_part(ways, outer, level) for outer in range(level)) and all(
        _is_session(ways, inner, level) for inner in range(level + 1, depth)
    )


def _is_part(ways: Sequence[Folders], outer: int, level: int) -> bool:
    """Named as parts are; or few names, and the same people in most of them."""
    return all(way[outer].lower() in _PARTS for way in ways) or _few(ways, outer, level, _below(ways, level, outer))


def _is_session(ways: Sequence[Folders], inner: int, level: int) -> bool:
    """Few names, most of them below several people."""
    return _few(ways, inner, level, _below(ways, inner, level))


def _below(ways: Sequence[Folders], of: int, other: int) -> dict[str, set[str]]:
    """For each name at level ``of``, the names at level ``other`` that it stands with."""
    found = defaultdict(set)
    for way in ways:
        found[way[of]].add(way[other])
    return found


def _few(ways: Sequence[Folders], few: int, many: int, within: dict[str, set[str]]) -> bool:
    """Whether level ``few`` has clearly fewer names than level ``many``, and the two are mixed."""
    names, people = len({way[few] for way in ways}), len({way[many] for way in ways})
    if all(len(found) * len(within) == names * people for found in within.values()):  # each with each
        return names < people
    mixed = sum(len(found) > 1 for found in within.values()) * 2 > len(within)
    return mixed and names * _CLEAR <= people


def _unequal(inner: Sequence[Folders], ways: Sequence[Folders], owner: str) -> str:
    order = sorted(range(len(inner)), key=lambda i: len(inner[i]))
    least, most = order[0], order[-1]
    return (
        f"{owner}: some pictures lie in {'/'.join(ways[least])} and others deeper, in {'/'.join(ways[most])}, so it is "
        f"unclear which folder names the person; {_choices(ways)}"
    )


def _choices(ways: Sequence[Folders]) -> str:
    """What each level would give."""
    shown = []
    for level in range(1, max(map(len, ways)) + 1):
        names = sorted({way[level - 1] for way in ways if len(way) >= level})
        few = ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")
        shown.append(f"{level} gives {len(names)} ({few})")
    last = len({way[-1] for way in ways})
    return f"set `person`: {', '.join(shown)}, -1 (the folder that holds the picture) gives {last}."
