"""What every plug-in shares: a name, validated settings, a citation and a fidelity label."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError

from .code import code_of
from .errors import InputError
from .ranges import check_ranges
from .registry import nearest
from .surfaces import Fidelity


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """A plug-in without settings."""


def make_settings(cls: type, values: Mapping[str, Any], owner: str) -> Any:
    """A frozen settings dataclass from a plain mapping, strictly: an unknown key or a wrong type stops the run.

    Raises:
        InputError: names the key, the value seen and the nearest valid key, or what it may be.
    """
    known = [field.name for field in dataclasses.fields(cls)]
    for key in values:
        if key not in known:
            raise InputError(f"{owner} has no setting {key!r}; {nearest(key, known)}")
    try:
        settings: Any = _adapter(cls).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{owner}: setting {key} = {first['input']!r}: {first['msg']}.") from error
    check_ranges(cls, {name: getattr(settings, name) for name in values}, owner)
    return settings


@functools.lru_cache(maxsize=256)
def _adapter(cls: type) -> TypeAdapter[Any]:
    """Made once for each class: a track with many entries asks for the same ones, and one takes a millisecond."""
    return TypeAdapter(cls)


class Plugin:
    """Base of attacks, defences, data sets and recognisers.

    A subclass may define a frozen dataclass ``Settings``; it is filled from the track file.
    """

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""  # what tables print; the name where empty
    paper: ClassVar[str] = ""  # citation
    fidelity: ClassVar[Fidelity] = Fidelity.BASELINE
    paper_value: ClassVar[str] = ""  # the paper's own headline number ...
    paper_source: ClassVar[str] = ""  # ... and its table
    Settings: ClassVar[type] = NoSettings
    settings: Any

    def configure(self, values: Mapping[str, Any] | None = None) -> None:
        """Fill ``self.settings`` from a mapping."""
        self.settings = make_settings(type(self).Settings, values or {}, type(self).name or type(self).__name__)

    def describe(self) -> dict[str, Any]:
        """What identifies this plug-in in a key: its name, its resolved settings and all code that it reaches."""
        return {
            "name": type(self).name,
            "settings": dataclasses.asdict(self.settings),
            "code": code_of(type(self)),
        }
