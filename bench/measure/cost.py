"""What a defence costs: milliseconds per picture, bytes at each surface."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
import torch

from ..core.leaks import leak_bytes
from ..core.registry import register_measurement
from ..core.surfaces import Surface
from ..record.metrics import Metric
from ..record.results import Row
from .base import Kept, Measurement
from .case import Case
from .rows import Rules, counted, row_of


@register_measurement("cost")
class Cost(Measurement):
    """Time to protect is that of all of the defended path but the recogniser."""

    metrics: ClassVar = (
        Metric("protect_ms", "ms", "lower", "Time to protect one picture, without the recognizer."),
        Metric("leak_bytes", "bytes", "", "Size of what leaks of one picture at the surface.",
               per=frozenset({"surface"})),
    )  # fmt: skip
    looks_at: ClassVar[Literal["recovery", "system"]] = "system"

    def observe(self, case: Case) -> Kept:
        """``protect_ms``; by surface: bytes per picture."""
        faces, defense = case.faces(), case.system
        index = torch.arange(min(4 if defense.slow else 32, len(faces)))
        images = faces.images(index).to(case.session.device)
        draw = case.session.installation(case.cell.seed).draw(faces.ids[index])
        with torch.no_grad():
            defense.transmit(defense.publish(images[:1], draw.take(slice(0, 1))), draw.take(slice(0, 1)))  # warm up
            start = time.perf_counter()
            wire = defense.transmit(defense.publish(images, draw), draw)
            spent = time.perf_counter() - start
            z = defense.embed(wire)
            start = time.perf_counter()
            defense.enroll(z, draw)
            spent += time.perf_counter() - start
            sizes = {
                f"bytes/{surface.value}": np.array(
                    leak_bytes(defense.leak(images[:2], surface, draw.take(slice(0, 2))))
                )
                for surface in Surface
            }
        return {"protect_ms": np.array(1000 * spent / len(index)), **sizes}

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        protect, leaked = self.metrics
        yield counted(protect, row_of(protect), float(kept["protect_ms"]))
        for name, size in kept.items():
            place, _, surface = name.partition("/")
            if place == "bytes":
                yield counted(leaked, row_of(leaked), size.item()) | {"surface": surface}
