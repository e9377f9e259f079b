"""Recognisers that a track names by what they are: found in whichever data pack is there (``portable.toml``)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import FaceleakError, TrackError
from ..core.paths import expand
from ..core.registry import nearest
from ..zoo.packs import PREFIX, find_pack
from .toml import loads

TABLE = Path(__file__).with_name("portable.toml")
PORTABLE = "portable"  # the type that stands for one of the table's


@functools.cache
def portable() -> dict[str, list[dict[str, Any]]]:
    """Name -> what it may be, the first that is there; each as a track writes a recogniser."""
    return loads(TABLE.read_text(encoding="utf-8"))


def placed(recognizers: Any, file: Path) -> Any:
    """The recognisers of a track as read from its file, with what is there in the place of portable names.

    Args:
        recognizers: alias -> table with ``type`` and more. A table of type ``portable`` may name another entry than its
            alias (``settings = { name = "retail0095" }``), and its other keys hold before the entry's own. Members of
            a table (``joined``) are looked at, too.
        file: of the track, for messages.

    Raises:
        TrackError: no entry of that name; the message names the closest one.
    """
    if not isinstance(recognizers, Mapping):
        return recognizers  # refused where the track is checked
    return {alias: _placed(told, alias, file) for alias, told in recognizers.items()}


def _placed(told: Any, alias: str, file: Path) -> Any:
    if not isinstance(told, Mapping):
        return told
    settings = told.get("settings", {})
    if told.get("type") != PORTABLE:
        members = settings.get("members") if isinstance(settings, Mapping) else None
        if not isinstance(members, list):
            return told
        return {**told, "settings": {**settings, "members": [_member(one, alias, file) for one in members]}}
    name = settings.get("name", alias) if isinstance(settings, Mapping) and set(settings) <= {"name"} else None
    if not isinstance(name, str) or name not in portable():
        raise TrackError(
            f"{file}: recognizer {alias}: type 'portable' takes the setting name and no other, got {settings!r}; "
            f"{nearest(str(name or alias), list(portable()))}"
        )
    entries = portable()[name]
    chosen = next((entry for entry in entries if not problem(entry["settings"], alias)), entries[0])
    return {**chosen, **{key: value for key, value in told.items() if key not in ("type", "settings")}}


def _member(told: Any, alias: str, file: Path) -> Any:
    """As ``_placed``, with nothing but what a member may say."""
    found = _placed(told, alias, file)
    return told if found is told else {"type": found["type"], "settings": found["settings"]}


def with_members(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The settings of a recogniser, and of those that it joins; what is no table is refused by who builds it."""
    members = settings.get("members")
    found = [one.get("settings") for one in members if isinstance(one, Mapping)] if isinstance(members, list) else []
    return [settings, *(one for one in found if isinstance(one, Mapping))]


def problem(settings: Mapping[str, Any], owner: str) -> str:
    """Why a recogniser's weights cannot be had here, in a sentence; empty where they lie where its settings say."""
    return next(filter(None, (_lost(one, owner) for one in with_members(settings))), "")


def _lost(settings: Mapping[str, Any], owner: str) -> str:
    weights = str(settings.get("path", ""))
    try:
        if weights.startswith(PREFIX):
            find_pack(weights, owner)
        elif weights and not Path(expand(weights)).exists():
            return f"{expand(weights)} does not exist; put the file there."
    except FaceleakError as error:
        return str(error).removeprefix(f"{owner}: ")
    return ""
