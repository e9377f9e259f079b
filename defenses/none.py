"""No defence: the row that every other row is compared with."""

from __future__ import annotations

from ..bench.core.registry import register_defense
from .base import Defense


@register_defense("none")
class Undefended(Defense):
    """Images travel as they are, embeddings are stored as they are."""

    claims = "Nothing."
