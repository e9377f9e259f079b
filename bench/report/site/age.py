"""How old a board is: when and at which commits it was measured, and how often the code has changed since."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

_ROOT = Path(__file__).resolve().parents[3]
_CODE = ("attacks", "bench", "datasets", "defenses")  # what can move a number


@dataclass(frozen=True)
class Age:
    """When the rows of a board were made.

    Args:
        first: day of the oldest row, ISO.
        last: day of the youngest row, ISO; both empty where no row says it.
        commits: short names, oldest rows first.
        dirty: whether the code had changes of no commit.
        changes: commits that touched the code since the oldest of these; None where there is no history to ask.
    """

    first: str
    last: str
    commits: tuple[str, ...]
    dirty: bool
    changes: int | None

    @property
    def label(self) -> str:
        """Three words for a badge."""
        if self.changes is None:
            return "code of unknown age"
        return "older than today's code" if self.changes or self.dirty else "today's code"

    @property
    def days(self) -> str:
        """``22 November 2026``, or from when to when."""
        return " to ".join(_day(one) for one in dict.fromkeys((self.first, self.last)) if one)

    def __str__(self) -> str:
        code = f"commit{'s' * (len(self.commits) > 1)} {', '.join(self.commits)}" if self.commits else "no known commit"
        told = f"Measured {f'on {self.days} ' if self.last else ''}with the code of {code}"
        told += ", which had uncommitted changes" if self.dirty else ""
        if self.changes is None:
            return f"{told}; how much has changed since is not known here, outside the repository's history."
        if not self.changes:
            return f"{told}; nothing that measures has changed since."
        times = "one later commit" if self.changes == 1 else f"{self.changes} later commits"
        return f"{told}; {times} touched the code since, so today's code may give other numbers."


def age_of(rows: pd.DataFrame) -> Age:
    """Age of the rows of a board, by what they say of themselves."""
    made = rows[rows["created"].astype(str) != ""].sort_values("created", kind="stable")
    commits = [str(sha) for sha in dict.fromkeys(made["code_sha"]) if sha and not pd.isna(sha)]
    known = [changes for sha in commits if (changes := _changes_since(sha)) is not None]
    days = [str(value)[:10] for value in made["created"].iloc[[0, -1]]] if len(made) else ["", ""]
    return Age(
        days[0],
        days[1],
        tuple(sha[:7] for sha in commits),
        bool((made["dirty"].astype(str) == "True").any()),
        max(known) if known and len(known) == len(commits) else None,
    )


def code_now() -> str:
    """The commit of the code that runs; empty outside a checkout."""
    return _git("rev-parse", "HEAD")


def _changes_since(commit: str) -> int | None:
    told = _git("rev-list", "--count", f"{commit}..HEAD", "--", *_CODE) if commit.isalnum() else ""
    return int(told) if told.isdecimal() else None


def _git(*words: str) -> str:
    if not (_ROOT / ".git").exists():  # installed: a repository further up is somebody else's
        return ""
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *words], capture_output=True, text=True, timeout=20)  # nosec B607
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _day(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day.day} {day:%B %Y}"
