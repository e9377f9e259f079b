"""What numbers may be set to, by the words that all plug-ins share for them.

No setting of the suite is negative by default, and a budget of nothing is a mistake: a setting may be neither, unless
its default is, or its annotation says what it may be: ``steps: Annotated[int, Field(ge=0)] = 100``.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from .errors import InputError

T = TypeVar("T")

# Last words of names: `server_steps`, `prior_batch`.
BUDGETS = ("steps", "batch", "lr", "width", "faces", "candidates", "rounds")
SIDES = ("side", "size")  # of pictures, pixels
LARGEST = 4096
SHARES = ("ema", "quantile", "ratio", "dropped", "share", "part")  # of a whole


def once(values: tuple[T, ...]) -> tuple[T, ...]:
    """``values``, none of which stands there twice; ValueError otherwise."""
    twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands there twice")
    return values


def _no_path(name: str) -> str:
    if name.strip(". ") != name or not name.isprintable() or any(letter in name for letter in "/\\:"):
        raise ValueError("a name becomes a folder's, on any system; leave out / \\ : and dots at its ends")
    return name


FolderName = Annotated[str, AfterValidator(_no_path)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(once)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Rates = Annotated[tuple[Rate, ...], Field(min_length=1), AfterValidator(once)]


def check_ranges(cls: type, values: Mapping[str, Any], owner: str) -> None:
    """Refuse numbers that no plug-in can do with.

    Args:
        cls: settings dataclass.
        values: its fields by name, validated.
        owner: whose settings, for the message.

    Raises:
        InputError: names the setting, its value and what it may be.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        value = values.get(field.name)
        numbers = value if isinstance(value, tuple) else (value,)
        if typing.get_origin(hints[field.name]) is Annotated:
            continue
        for number in numbers:
            if isinstance(number, int | float) and not isinstance(number, bool):
                wanted = _refusal(field.name, number, field.default)
                if wanted:
                    raise InputError(f"{owner}: {field.name} must {wanted}, got {value!r}.")


def _refusal(name: str, value: float, default: Any) -> str:
    """What ``value`` must be and is not; empty where it may stay."""
    usual = default if isinstance(default, int | float) else 1
    word = name.rsplit("_", 1)[-1]
    if not math.isfinite(value):
        return "be a finite number" if math.isfinite(usual) else ""
    if word in SHARES and 0 <= usual <= 1:
        return "" if 0 <= value <= 1 else "lie in [0, 1]"
    if word in SIDES and usual > 0:
        return "" if 0 < value <= LARGEST else f"lie in 1..{LARGEST}"
    if word in BUDGETS and usual > 0:
        return "" if value > 0 else "be positive"
    return "" if value >= 0 or usual < 0 else "not be negative"
