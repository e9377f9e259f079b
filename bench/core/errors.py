"""Errors that a user can meet. Each message says what happened, the value seen and what to do."""

from __future__ import annotations

BLANKS = "\t\u00a0\u202f\u3000"  # not printable to Python, and harmless: names of files have them


def shown(text: str, most: int = 2000) -> str:
    """``text`` as a terminal may be given it: control characters, which move its cursor and colour it, spelled out."""
    plain = "".join(
        letter if letter.isprintable() or letter == "\n" else _spelled(letter) for letter in text[: most + 1]
    )
    return plain if len(text) <= most else f"{plain[:most]} ..."


def _spelled(letter: str) -> str:
    return letter if letter in BLANKS else letter.encode("unicode_escape").decode()


class FaceleakError(Exception):
    """Base of every error that faceleak raises on purpose."""


class InputError(FaceleakError, ValueError):
    """A tensor, a file or a setting is not what the contract asks for."""


class DataError(FaceleakError):
    """A data set is missing, corrupt, too small, or its splits overlap."""


class TrackError(FaceleakError):
    """A track file does not validate."""


class RegistryError(FaceleakError, KeyError):
    """A name is unknown or already taken."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class PluginWarning(UserWarning):
    """Another package's plug-in was left out."""


class ThreatModelError(FaceleakError):
    """An attack asked for something that its threat model does not grant."""


class BudgetError(ThreatModelError):
    """An attack asked for more queries or protected pairs than it was granted."""


class NoGradientError(ThreatModelError):
    """A white-box attack met a forward-only recogniser."""


class NotApplicable(FaceleakError):
    """This attack cannot take this leak (another shape or surface); the cell becomes a row that says so."""


class ContractError(FaceleakError):
    """A plug-in returned something its contract forbids."""
