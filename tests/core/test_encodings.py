"""Every text that is read or written says its encoding: without it, Windows takes another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from faceleak.bench.cli import main as cli

ROOT = Path(cli.__file__).parents[1]


def unstated(file: Path) -> Iterator[int]:
    """Lines of text reads and writes without ``encoding``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
            continue
        position = {"read_text": 0, "write_text": 1}.get(getattr(node.func, "attr", ""))
        if position is not None and len(node.args) > position:
            continue
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        plain_open = isinstance(node.func, ast.Name) and node.func.id == "open"
        binary = any(
            isinstance(one, ast.Constant) and isinstance(one.value, str) and "b" in one.value for one in node.args[1:2]
        )
        if method in ("read_text", "write_text") or (plain_open and not binary):
            yield node.lineno


def test_every_text_file_has_its_encoding_stated() -> None:
    files = [
        file for part in ("bench", "attacks", "defenses", "datasets") for file in sorted((ROOT / part).rglob("*.py"))
    ]
    found = [f"{file.relative_to(ROOT)}:{line}" for file in files for line in unstated(file)]
    assert found == []
