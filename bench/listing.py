"""What ``faceleak list`` prints."""

from __future__ import annotations

import inspect
from typing import Any

from .core.registry import ATTACKS, DATASETS, DEFENSES, RECOGNIZERS
from .ensemble import StandardEnsemble
from .track import TRACKS, load_track


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
        tracks = [load_track(file.stem) for file in sorted(TRACKS.glob("*.toml"))]
        rows: list[tuple[str, ...]] = [(track.name, track.title, track.expected) for track in tracks]
        return table(("name", "title", "expected"), rows)
    registry, header, describe = makers[kind]
    lines = [describe(name, registry.get(name)) for name in registry.names()]
    if kind == "attacks":  # no plug-in: it runs the others
        kept = StandardEnsemble
        lines.append((kept.name, "any", "image", "as its members", "no", kept.fidelity.value, kept.paper))
    return table(header, lines)


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
