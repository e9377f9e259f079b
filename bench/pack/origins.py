"""What ``faceleak fetch`` and ``faceleak prepare`` know how to get: ``origins.toml``, read and checked."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ..core.errors import InputError
from ..core.registry import nearest
from ..plan.toml import loads

TABLE = Path(__file__).with_name("origins.toml")


class Artefact(BaseModel):
    """One file of somebody else's.

    Args:
        name: what the user types.
        what: what it is for, in a few words.
        urls: where it is published; asked one after another until one serves the right file.
        file: its name here.
        digest: in hexadecimal; 96 digits are its sha384, 64 its sha256, fewer the first ones of its sha256; empty where
            none is known, and then what comes is recorded and said to be unverified.
        licence: in a sentence, shown before anything is downloaded.
        terms: address of the full terms.
        place: folder that it goes to by itself, with ``${VARIABLES}`` and ``~``.
        inside: folder of a data pack that it goes to as a part of one; empty: the pack's top.
        folder: name of the folder below its place that the archive is unpacked into; empty: a file, kept as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    what: str
    urls: tuple[str, ...] = Field(min_length=1)
    file: str
    digest: str = Field("", pattern="^([0-9a-f]{8,64}|[0-9a-f]{96})?$")
    licence: str
    terms: str
    place: str
    inside: str = ""
    folder: str = ""


ARTEFACTS: dict[str, Artefact] = {
    name: Artefact(name=name, **told) for name, told in loads(TABLE.read_text(encoding="utf-8")).items()
}


def artefact(name: str) -> Artefact:
    """The artefact called ``name``.

    Raises:
        InputError: unknown; the message names the closest known name.
    """
    if name not in ARTEFACTS:
        raise InputError(f"Nothing called {name!r} can be fetched; {nearest(name, list(ARTEFACTS))}")
    return ARTEFACTS[name]
