"""What a paper must know of a figure's PDF, read from its bytes."""

from __future__ import annotations

import re
from pathlib import Path


def page_width(file: Path) -> float:
    """Width of the first page in points; 0 where it has none."""
    found = re.search(rb"/MediaBox\s*\[\s*[\d.]+\s+[\d.]+\s+([\d.]+)", file.read_bytes())
    return float(found[1]) if found else 0.0
