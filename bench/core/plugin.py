"""What every plug-in shares: a name, validated settings, a citation and a fidelity label."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError

from .errors import InputError
from .registry import nearest
from .surfaces import Fidelity


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """A plug-in without settings."""


def make_settings(cls: type, values: Mapping[str, Any], owner: str) -> Any:
    """A frozen settings dataclass from a plain mapping, strictly: an unknown key or a wrong type stops the run.

    Raises:
        InputError: names the key, the value seen and the nearest valid key.
    """
    known = [field.name for field in dataclasses.fields(cls)]
    for key in values:
        if key not in known:
            raise InputError(f"{owner} has no setting {key!r}; {nearest(key, known)}")
    try:
        return TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{owner}: setting {key} = {first['input']!r}: {first['msg']}.") from error


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
        """What identifies this plug-in in a cell's hash: its name, its resolved settings and its source."""
        return {
            "name": type(self).name,
            "settings": dataclasses.asdict(self.settings),
            "source": source_hash(type(self)),  # type: ignore[arg-type]
        }


@functools.cache
def source_hash(cls: type) -> str:
    """Short sha256 of the files that define ``cls`` and the plug-ins it inherits from: edited, it is a different cell.

    Read once: a run keeps the identity it started with, whatever is edited meanwhile.
    """
    kinds = [kind for kind in cls.__mro__ if issubclass(kind, Plugin) and kind is not Plugin] or [cls]
    if len(kinds) == 1:
        return _file_hash(cls)
    return hashlib.sha256("".join(_file_hash(kind) for kind in kinds).encode()).hexdigest()[:12]


def _file_hash(cls: type) -> str:
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if file is None:
        return hashlib.sha256(inspect.getsource(cls).encode()).hexdigest()[:12]
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12]
