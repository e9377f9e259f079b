"""The house: which room may import which. From top to bottom; no import runs upwards, so there is no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import faceleak
import pytest

ROOT = Path(str(faceleak.__file__)).resolve().parent
FLOORS = (
    "bench/cli", "bench/front", "bench/study", "bench/run", "bench/execute", "bench/report", "bench/measure",
    "bench/recover",
    "bench/leak", "bench/prepare", "bench/isolation", "bench/pack", "bench/plan", "attacks", "defenses", "datasets",
    "bench/recognizers", "bench/zoo", "bench/record", "bench/metrics", "bench/store", "bench/core",
)  # fmt: skip
# What a plug-in may take: core, shared networks, and the base of its kind. Recognisers stand beside them.
BELOW_PLUGINS = {
    "attacks": {"bench/core", "bench/zoo"},
    "defenses": {"bench/core", "bench/zoo", "bench/recognizers"},
    "datasets": {"bench/core", "bench/zoo"},
    "bench/recognizers": {"bench/core", "bench/zoo"},
}
FILES = sorted(file for part in ("bench", "attacks", "defenses", "datasets") for file in (ROOT / part).rglob("*.py"))


def room(file: Path) -> str:
    parts = file.relative_to(ROOT).parts
    return "/".join(parts[:2]) if parts[0] == "bench" and len(parts) > 2 else parts[0]


def imported(file: Path) -> Iterator[Path]:
    """Files of the package that ``file`` imports by a relative import, but those that only type checkers see."""
    left: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            left += node.orelse
            continue
        left += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and node.level:
            base = file.parents[node.level - 1].joinpath(*(node.module.split(".") if node.module else []))
            for name in node.names:
                found = (base / f"{name.name}.py", base / name.name / "__init__.py", base.with_suffix(".py"),
                         base / "__init__.py")  # fmt: skip
                yield next(one for one in found if one.is_file())


def test_every_file_stands_in_a_room() -> None:
    assert {room(file) for file in FILES} - {*FLOORS, "bench", "bench/tracks"} == set()
    loose = [file.name for file in (ROOT / "bench").glob("*.py")]
    assert loose == ["__init__.py"]


@pytest.mark.parametrize("floor", FLOORS)
def test_no_import_runs_upwards(floor: str) -> None:
    above = FLOORS[: FLOORS.index(floor)]
    files = [file for file in FILES if room(file) == floor]
    assert files
    wrong = [(file.name, str(other.relative_to(ROOT))) for file in files for other in imported(file)
             if room(other) in above]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("kind", BELOW_PLUGINS)
def test_a_plugin_takes_core_shared_networks_and_its_base(kind: str) -> None:
    files = [file for file in FILES if room(file) == kind]
    taken = {room(other) for file in files for other in imported(file)}
    assert taken <= {kind, *BELOW_PLUGINS[kind]}


def test_no_file_is_longer_than_a_reader_bears() -> None:
    long = [str(file.relative_to(ROOT)) for file in FILES if len(file.read_text(encoding="utf-8").splitlines()) > 300]
    assert long == []
