"""The contract of a measurement: what is looked at, what is kept of it, and the rows that follow from what was kept.

``observe`` needs networks and is run once; its arrays are saved with the cell. ``rows`` and ``flags`` are pure: the run
calls them on what it has just observed, ``faceleak verify`` on what it reads back, so every formula stands once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from torch import Tensor

from ..core.plugin import Plugin
from ..record.metrics import Metric
from ..record.results import Row
from .case import Case
from .rows import Rules

Kept: TypeAlias = "dict[str, np.ndarray]"
Flag: TypeAlias = "dict[str, str]"


class Measurement(Plugin, ABC):
    """One family of metrics.

    A subclass declares its ``metrics`` and writes ``observe`` and ``rows``.
    """

    metrics: ClassVar[tuple[Metric, ...]] = ()
    looks_at: ClassVar[Literal["recovery", "system"]] = "recovery"  # what an attack brought back, or a defended system
    priced: ClassVar[bool] = True  # rows about a recovery carry what the attack cost

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.configure(settings)

    def skip(self, case: Case) -> str:
        """Why it does not apply to a case; nothing where it does."""
        return ""

    @abstractmethod
    def observe(self, case: Case) -> Kept:
        """Everything that rows and flags follow from, as arrays of numbers, truths or text by name."""

    @abstractmethod
    def rows(self, kept: Kept, rules: Rules) -> Iterable[Row]:
        """The rows. Pure: of ``kept`` and ``rules`` alone, with ``bench/measure/rows.py``."""

    def flags(self, kept: Kept, rules: Rules) -> Iterable[Flag]:
        """What looks broken. Pure, too."""
        return ()

    def pictures(self, case: Case) -> Mapping[str, Tensor]:
        """What the page shows of the case, by name."""
        return {}

    @classmethod
    def metric(cls, name: str) -> Metric:
        """The declared metric that rows called ``name`` are of.

        Raises:
            KeyError: none is.
        """
        for one in cls.metrics:
            if one.covers(name):
                return one
        raise KeyError(f"{cls.__name__} declares no metric {name!r}.")
