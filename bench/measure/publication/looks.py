"""What is left of a published picture, compared with the original."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ...core.registry import register_measurement
from ...record.results import Row
from ..base import Kept
from ..case import Case
from ..likeness import PAIRED, SETS, likeness, likeness_rows
from ..rows import Rules
from .base import OfPublished


@register_measurement("looks")
class Looks(OfPublished):
    """PSNR, SSIM, LPIPS, FID and KID."""

    metrics: ClassVar = (*PAIRED, *SETS)

    def observe(self, case: Case) -> Kept:
        return likeness(case.shown.images, case.shown.originals, case.shown.owner)

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        yield from likeness_rows(kept, rules)
