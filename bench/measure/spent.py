"""What the attack used, and whether it was run in earnest: its cost, and the flags about the run itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from ..core.registry import register_measurement
from ..core.surfaces import Role, Surface
from ..core.threat import RecognizerAccess
from ..record.metrics import Metric
from ..record.results import Row
from . import flags
from .base import Flag, Kept, Measurement
from .case import Case
from .rows import Rules, counted, row_of


@register_measurement("spent")
class Spent(Measurement):
    """Queries and memory. What stands in columns of every row (pairs, seconds, parameters) is of ``costs_of``."""

    metrics: ClassVar = (
        Metric("queries_per_victim", "queries", "lower", "The most questions asked about one victim."),
        Metric("peak_memory_mb", "MB", "", "Most memory held: of the device on CUDA, of the process elsewhere."),
    )
    priced: ClassVar = False

    def observe(self, case: Case) -> Kept:
        outcome, attack = case.outcome, case.attack
        assert case.cell.surface is not None
        kept = {
            "queries_per_victim": np.array(outcome.queries_per_victim),
            "peak_memory_mb": np.array(outcome.peak_memory_mb),
            "still_falling": np.array(outcome.still_falling),
            "learnt": np.array(outcome.kept),
            "attack": np.array(attack.role is Role.ATTACK),
            "randomised": np.array(case.system.randomised(Surface(case.cell.surface))),
            "draws": np.array(int(case.leaked.presentation.max()) + 1),
        }
        if attack.threat.recognizer is RecognizerAccess.WHITE_BOX:
            recognizer = case.session.recognizer(case.alias)
            kept["gradient"] = np.array(not flags.gradient_flag(recognizer, case.faces("public")))
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        queries, memory = self.metrics
        if kept["queries_per_victim"]:
            yield counted(queries, row_of(queries), int(kept["queries_per_victim"]))
        yield counted(memory, row_of(memory), float(kept["peak_memory_mb"]))

    def flags(self, kept: Kept, rules: Rules) -> Iterator[Flag]:
        if kept["attack"]:
            yield from flags.start_flag(float(kept["learnt"]))
        if not kept.get("gradient", True):
            yield flags.dead_gradient()
        yield from flags.draws_flag(bool(kept["randomised"]), int(kept["draws"]))
