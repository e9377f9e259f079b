"""The one table of goals: what each line of results/perf.csv compares, in which unit, and what it has to reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """What a line says and has to say.

    Args:
        compares: what is measured, in words.
        unit: ``x`` of a ratio, ``s``, ``MiB`` or ``exponent``.
        goal: ``>= 6``, ``<= 1.05``; nothing where the line only informs.
    """

    compares: str
    unit: str
    goal: str = ""

    def holds(self, value: float) -> bool | None:
        """Whether a value reaches the goal; None where there is none."""
        if not self.goal:
            return None
        relation, _, bound = self.goal.partition(" ")
        return value >= float(bound) if relation == ">=" else value <= float(bound)


GOALS = {
    "training-step": Goal("step of bench/core/training.py / of a bare PyTorch loop, all else equal", "x", "<= 1.05"),
    "bdct": Goal("block DCT by up-sampling, as released / fast_bdct, 64 pixels", "x", ">= 6"),
    "bdct-exact": Goal("block DCT by up-sampling, as released / bdct, 64 pixels", "x"),
    "search": Goal("FAISS flat, 20 nearest / metrics.searching, every rank: 500 probes in 100,000 x 512", "x", ">= 1"),
    "search-faiss-engine": Goal("FAISS flat, 20 nearest / metrics.searching by its engine faiss, every rank", "x"),
    "ssim": Goal("torchmetrics in double precision / metrics.quality.ssim, 16 pairs of 112 pixels", "x", ">= 1.5"),
    "ssim-single": Goal("torchmetrics in single precision (other values) / metrics.quality.ssim", "x"),
    "psnr": Goal("torchmetrics in double precision / metrics.quality.psnr, 16 pairs of 112 pixels", "x", ">= 1.5"),
    "psnr-single": Goal("torchmetrics in single precision (other values) / metrics.quality.psnr", "x"),
    "resamples": Goal("10,000 resamples over 1,000 identities", "s", "<= 2"),
    "resamples-hierarchical": Goal("the same, over 1,000 calibration people too", "s", "<= 2"),
    "renderer": Goal("a rendered picture / its rays' reads and 100 sums of a head's map, bare", "x", "<= 5"),
    "renderer-processes": Goal("speed of a data set's processes, with starts / one's times the cores", "x", ">= 0.8"),
    "list": Goal("`faceleak list attacks`, the interpreter's start included", "s", "<= 1"),
    "doctor": Goal("`faceleak doctor`, the interpreter's start included", "s", "<= 2"),
    "workers": Goal("a run of equal cells by --workers 1 / --workers 2, a thread each, starts included", "x", ">= 1.7"),
    "cells-10": Goal("a run of 10 trivial cells", "s"),
    "cells-100": Goal("a run of 100 trivial cells", "s"),
    "cells-1000": Goal("a run of 1,000 trivial cells", "s"),
    "cells-growth": Goal("growth of that time from 100 to 1,000 cells", "exponent", "<= 1.1"),
    "cells-again": Goal("the run of 1,000 cells once more, with nothing left to do", "s"),
    "cells-memory-10": Goal("most memory of the driver with 10 cells", "MiB"),
    "cells-memory-100": Goal("most memory of the driver with 100 cells", "MiB"),
    "cells-memory-1000": Goal("most memory of the driver with 1,000 cells", "MiB"),
    "cells-memory-growth": Goal("growth of that memory from 100 to 1,000 cells", "exponent", "<= 1.1"),
    "gallery-1000": Goal("500 searches among 1,000 people x 512", "s"),
    "gallery-10000": Goal("500 searches among 10,000 people x 512", "s"),
    "gallery-100000": Goal("500 searches among 100,000 people x 512", "s"),
    "gallery-growth": Goal("growth of that time from 10,000 to 100,000 people", "exponent", "<= 1.1"),
    "gallery-memory-1000": Goal("most memory that 500 searches among 1,000 people take beside the gallery", "MiB"),
    "gallery-memory-10000": Goal("most memory that 500 searches among 10,000 people take beside the gallery", "MiB"),
    "gallery-memory-100000": Goal("most memory that 500 searches among 100,000 people take beside the gallery", "MiB"),
    "gallery-memory-growth": Goal("growth of that memory from 10,000 to 100,000 people", "exponent", "<= 0.2"),
}  # fmt: skip
