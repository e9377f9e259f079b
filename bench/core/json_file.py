"""JSON files, of which only the ways that they can be wrong are told apart from what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MOST = 256 << 20  # bytes; a cell's rows have a few thousand


def read_json(file: Path) -> Any:
    """What a file says.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON in UTF-8, too large, nested too deep, or holds half a letter that nothing can write.
    """
    if file.stat().st_size > MOST:
        raise ValueError(f"it has {file.stat().st_size >> 20} MiB")
    text = file.read_text(encoding="utf-8")
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return value
