"""What is known of each picture of a set beside who it shows: attributes, each with a few classes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from .errors import InputError


@dataclass(frozen=True)
class Attributes:
    """Labels of N pictures.

    Args:
        classes: attribute -> names of its classes, the same and in the same order for all splits.
        labels: attribute -> (N,) int64 class numbers.

    Raises:
        InputError: the two name other attributes, lengths differ, or a number has no class.
    """

    classes: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        if list(self.classes) != list(self.labels):
            raise InputError(f"Classes are given for {list(self.classes)}, labels for {list(self.labels)}; make both.")
        if len({len(labels) for labels in self.labels.values()}) > 1:
            raise InputError("The attributes of a set need one label for each of its pictures; their lengths differ.")
        for name, labels in self.labels.items():
            if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes[name]):
                raise InputError(
                    f"Attribute {name!r} has {len(self.classes[name])} classes, its labels span "
                    f"{int(labels.min())} to {int(labels.max())}; number classes from 0."
                )

    @property
    def sha(self) -> str:
        """Hash of names, classes and labels: what a probe that learnt from them depends on."""
        state = hashlib.sha256()
        for name, labels in self.labels.items():
            state.update("\x1f".join((name, *self.classes[name])).encode() + labels.numpy().tobytes())
        return state.hexdigest()[:24]

    def take(self, index: Tensor) -> Attributes:
        """Those of the pictures at ``index``."""
        return Attributes(self.classes, {name: labels[index] for name, labels in self.labels.items()})
