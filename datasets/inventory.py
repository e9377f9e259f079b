"""What was seen of an input, what of it is read, what is passed over and why, and how people were told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_SHOWN = 4  # reasons that a sentence names


@dataclass(frozen=True)
class Inventory:
    """One account for every reader: the log, the manifest, ``doctor`` and ``protect`` all print this.

    Args:
        pictures: how many were found.
        identities: how many people they show; 0 where nobody has counted.
        people: how people were told apart, in words.
        passed: name -> why it was not looked at: no picture, a link to nothing, an archive's own files.
        unreadable: name -> why the picture cannot be read.
        left_out: name -> why a sound picture is not used.
        notes: what else a reader of the numbers should know; without names.
    """

    pictures: int = 0
    identities: int = 0
    people: str = ""
    passed: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def read(self) -> int:
        """Pictures that are used."""
        return self.pictures - len(self.unreadable) - len(self.left_out)

    def after(
        self, identities: int, read: int, unreadable: Iterable[tuple[str, str]], left_out: Iterable[tuple[str, str]]
    ) -> Inventory:
        """The same once every picture was decoded."""
        bad, unused = dict(unreadable), dict(left_out)
        count = read + len(bad) + len(unused)
        return replace(self, pictures=count, identities=identities, unreadable=bad, left_out=unused)

    def summary(self) -> dict[str, Any]:
        """For the manifest, which is published: counts and reasons, no names."""
        return {
            "pictures": self.pictures,
            "identities": self.identities,
            "read": self.read,
            "people": self.people,
            "passed_over": _counted(self.passed),
            "unreadable": _counted(self.unreadable),
            "left_out": _counted(self.left_out),
            "notes": list(self.notes),
        }

    def sentence(self) -> str:
        """For the log and ``doctor``: one line, with an example of each reason."""
        people = f" of {self.identities} people" if self.identities else ""
        parts = [f"{self.pictures} pictures{people}" + (f" ({self.people})" if self.people else "")]
        for title, what in (
            ("passed over", self.passed), ("cannot be read", self.unreadable), ("left out", self.left_out)
        ):  # fmt: skip
            if what:
                parts.append(f"{len(what)} {title} ({_examples(what)})")
        return "; ".join([*parts, *self.notes]) + "."


def _counted(what: Mapping[str, str]) -> dict[str, int]:
    """reason -> how often, the most frequent first."""
    return dict(Counter(what.values()).most_common())


def _examples(what: Mapping[str, str]) -> str:
    first = {reason: name for name, reason in reversed(list(what.items()))}
    counts = Counter(what.values()).most_common(_SHOWN)
    shown = [f"{count} {reason}, such as {first[reason]}" for reason, count in counts]
    return "; ".join(shown) + ("; ..." if len(first) > _SHOWN else "")
