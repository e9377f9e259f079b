"""What a result is made from: the key of everything that is kept follows from it, so nothing can be used and not named.

A recipe names its ingredients (other recipes, or plain values) and the code that makes it. Its key is a hash of both:
two recipes with one key give one result, and whatever may change a result changes the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """What something is made from.

    Args:
        kind: what it is, one word; artefacts of a kind stand in one folder of the store.
        of: ingredients by name: recipes, or what JSON can hold (lists and mappings may hold recipes again).
        code: ``code_of`` whatever makes it.
    """

    kind: str
    of: Mapping[str, Any]
    code: str

    @cached_property
    def key(self) -> str:
        """20 hex digits."""
        return digest({"kind": self.kind, "of": _keyed(self.of), "code": self.code})

    def spelled(self) -> dict[str, Any]:
        """The whole recipe as plain values, for the eyes of who looks into the store."""
        return {"kind": self.kind, "key": self.key, "code": self.code, "of": _spelled(self.of)}


def digest(value: Mapping[str, Any]) -> str:
    """20 hex digits of the sha256 of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _keyed(value: Any) -> Any:
    if isinstance(value, Recipe):
        return value.key
    if isinstance(value, Mapping):
        return {name: _keyed(one) for name, one in value.items()}
    return [_keyed(one) for one in value] if isinstance(value, list | tuple) else value


def _spelled(value: Any) -> Any:
    if isinstance(value, Recipe):
        return value.spelled()
    if isinstance(value, Mapping):
        return {name: _spelled(one) for name, one in value.items()}
    return [_spelled(one) for one in value] if isinstance(value, list | tuple) else value
