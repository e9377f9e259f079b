"""Whether the rows of two runs are of one definition: what of protocol, track and people is not the same in both."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..plan.track import Protocol
from .load import RunFolder

_DEFAULTS = Protocol.model_validate({}).model_dump(mode="json")  # of boards from before there was a choice


def other_rules(a: RunFolder, b: RunFolder, free: Collection[str] = ()) -> Iterator[str]:
    """The settings of the protocol that differ, each with both values; those of ``free`` may."""
    mine, its = (_DEFAULTS | dict(run.run.get("protocol") or {}) for run in (a, b))
    yield from changed("protocol", mine, its, free)


def other_people(a: RunFolder, b: RunFolder) -> Iterator[str]:
    """Said where the two were cut into other splits."""
    if a.manifest.get("splits_sha256") != b.manifest.get("splits_sha256"):
        yield "other people are victims (splits.csv differs)"


def changed(what: str, a: Mapping[str, Any], b: Mapping[str, Any], free: Collection[str] = ()) -> Iterator[str]:
    """``WHAT: NAME is A and B`` of each that differs; what one does not know and the other leaves empty is the same."""
    for name in sorted({*a, *b} - {*free}):
        if a.get(name) != b.get(name) and (a.get(name) or b.get(name)):
            yield f"{what}: {name} is {_short(a.get(name))} and {_short(b.get(name))}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
