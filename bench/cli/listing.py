"""What ``faceleak list`` prints, without importing a network library."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from ..core.registry import ATTACKS, DATASETS, DEFENSES, RECOGNIZERS, Registry
from ..core.surfaces import Fidelity
from ..plan.toml import tomllib
from ..record.words import AUTO_ATTACK, ENSEMBLE
from .catalogue import Unreadable, catalogue

TRACKS = Path(__file__).parent.parent / "tracks"


def listing(kind: str) -> str:
    """One line per plug-in or track, as an aligned table."""
    makers: dict[str, Any] = {
        "attacks": (
            ATTACKS,
            ("name", "surfaces", "recovers", "needs", "trained", "fidelity", "paper"),
            _attack,
        ),
        "defenses": (DEFENSES, ("name", "protects", "secrets", "goal", "fidelity", "paper"), _defense),
        "datasets": (DATASETS, ("name", "licence", "what"), _other),
        "recognizers": (RECOGNIZERS, ("name", "trained here", "what"), _recognizer),
    }
    if kind == "tracks":
        return table(("name", "title", "expected"), [_track(file) for file in sorted(TRACKS.glob("*.toml"))])
    registry, header, describe = makers[kind]
    lines = [describe(name, cls) for name, cls in sorted(_classes(registry).items())]
    if kind == "attacks":  # no plug-in: it runs the others
        lines.append((ENSEMBLE, "any", "image", "as its members", "no", Fidelity.SIMPLIFIED.value, AUTO_ATTACK))
    return table(header, lines)


def _classes(registry: Registry[Any]) -> dict[str, type]:
    """All plug-ins of a kind. Of the built-in ones their source is read: to import them takes torch, and seconds."""
    added = registry.added()
    try:
        built_in = catalogue(registry.package.partition(".")[2])
    except Unreadable:
        built_in = {}
    if not built_in or built_in.keys() & added.keys():  # a name that is taken: importing says by whom
        return {name: registry.get(name) for name in registry.names()}
    return built_in | added


def _track(file: Path) -> tuple[str, ...]:
    told = tomllib.loads(file.read_text(encoding="utf-8"))
    return file.stem, told.get("title", ""), told.get("expected", "")


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Left-aligned columns, two spaces apart."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in lines)


def _attack(name: str, cls: Any) -> tuple[str, ...]:
    surfaces = ", ".join(sorted(s.value for s in cls.surfaces))
    recovers = ", ".join(sorted(cls.recovers))
    needs = "the victim's photographs" if cls.threat.victims else cls.threat.recognizer.value
    return name, surfaces, recovers, needs, "yes" if cls.trained else "no", cls.fidelity.value, cls.paper


def _defense(name: str, cls: Any) -> tuple[str, ...]:
    secrets = ", ".join(sorted(s.value for s in cls.secrets)) or "none"
    return name, cls.protects.value, secrets, cls.goal.value, cls.fidelity.value, cls.paper


def _recognizer(name: str, cls: Any) -> tuple[str, ...]:
    return name, "yes" if cls.needs_training else "no", _first_line(cls)


def _other(name: str, cls: Any) -> tuple[str, ...]:
    return name, cls.licence or "yours", _first_line(cls)


def _first_line(cls: Any) -> str:
    return (inspect.getdoc(cls) or "").split("\n")[0]
