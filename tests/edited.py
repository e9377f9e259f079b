"""A file of the package as if somebody had edited it while the tests run."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from faceleak.bench.core import code


def edit(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """As if a line had been added to ``file``."""
    real, file = code._source, file.resolve()

    def source(other: Path, area: object) -> object:
        found = real(other, area)  # type: ignore[arg-type]
        return code._Source(found.sha + b"+", found.reaches) if other == file.resolve() else found

    monkeypatch.setattr(code, "_source", source)
    # With a memory of its own: what is hashed now must not be remembered when the edit is undone.
    monkeypatch.setattr(code, "_hash_of", functools.cache(code._hash_of.__wrapped__))
