"""The examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

from .pages import ROOT


def modules_with_examples() -> list[str]:
    """Names of the package's modules whose text holds an example."""
    folders = ("bench", "attacks", "defenses", "datasets")
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return [
        ".".join(("faceleak", *file.relative_to(ROOT).with_suffix("").parts))
        for file in files
        if "\n    >>> " in file.read_text()
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples(name: str) -> None:
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted > 0
    assert done.failed == 0
