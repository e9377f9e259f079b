"""What the measurements of published pictures share: they are made where a track publishes pictures, of no attack."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..base import Measurement
from ..case import Case


class OfPublished(Measurement):
    """Looks at a system that publishes pictures."""

    looks_at: ClassVar[Literal["recovery", "system"]] = "system"

    def skip(self, case: Case) -> str:
        return "" if case.protocol.measures == "publication" else "Nothing is published."
