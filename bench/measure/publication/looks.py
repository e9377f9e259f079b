"""What is left of a published picture, compared with the original."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from ...core.registry import register_measurement
from ...leak.leaked import other_images
from ...record.results import Row
from ..base import Kept
from ..case import Case
from ..likeness import FLOORS, PAIRED, SETS, likeness, likeness_rows
from ..rows import Rules
from .base import OfPublished


@register_measurement("looks")
class Looks(OfPublished):
    """PSNR, SSIM, LPIPS, FID and KID."""

    metrics: ClassVar = (*PAIRED, *SETS, *FLOORS)

    def observe(self, case: Case) -> Kept:
        shown = case.shown
        real = shown.faces.images(other_images(shown.faces, shown.index))
        return likeness(shown.images, shown.originals, shown.owner, real, np.arange(len(real)))

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        yield from likeness_rows(kept, rules)
