"""Whether boards, figures and page were made from what now stands in the run folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ..core.json_file import read_json
from ..store.durable import write_text
from .load import table_of

MADE_FROM = "report.json"  # written last: names the files that the report shows, with their hashes


def note_sources(folder: Path, sources: dict[str, str]) -> None:
    """Say what the report in ``folder`` was made from."""
    write_text(folder / MADE_FROM, json.dumps({"made_from": sources}, indent=1) + "\n")


def sources_of(folder: Path) -> dict[str, str]:
    """The hashes of what a report made now would show; a file that is not there has none."""
    files = (table_of(folder), *(folder / f"{name}.json" for name in ("run", "manifest", "env")))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}


def is_current(folder: Path) -> bool:
    """Whether there is a page, and it was made from what stands there now."""
    try:
        noted = read_json(folder / MADE_FROM)
    except (OSError, ValueError):
        return False
    shown = isinstance(noted, dict) and noted.get("made_from") == sources_of(folder)
    return shown and (folder / "index.html").is_file()
