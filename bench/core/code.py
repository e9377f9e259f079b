"""Which code a result was made by: the files that a class or module reaches by import.

A result's key must change when a file that can change the result does, and only then. Lists kept by hand were both too
narrow (a helper module beside a plug-in) and too wide (one defence's network made every cell another one), so the
imports themselves are followed: inside the package, and for somebody else's plug-in inside its own package or among the
files beside it. Imports that only type checkers see do not count; nor do the registries' own, by name: who looks a
class up by name adds ``code_of`` of that class.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError
from .fileless import fileless_hash

_PACKAGE = __name__.split(".")[0]
_ROOT = Path(__file__).resolve().parent.parent.parent
# Directories of installed packages: what stands beside a file there is not its own.
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True)
class _Area:
    """Where imports are followed: a package by its dotted name, or the loose files of one folder (no name)."""

    folder: Path
    package: str = ""


@dataclass(frozen=True)
class _Source:
    """One file as it was when it was first asked for: a run keeps the identity it started with."""

    sha: bytes
    reaches: frozenset[Path]


def code_of(*roots: type | types.ModuleType | str) -> str:
    """16 hex digits of the sha256 over all files that ``roots`` reach by import.

    Args:
        roots: classes (their bases count), modules, or names of imported modules.

    Raises:
        InputError: a class or module that has neither a file nor code to look at.
    """
    return _hash_of(tuple(sys.modules[root] if isinstance(root, str) else root for root in roots))


def files_of(*roots: type | types.ModuleType | str) -> tuple[Path, ...]:
    """The files behind ``code_of``, sorted."""
    starts = [start for root in roots for start in _starts(sys.modules[root] if isinstance(root, str) else root)]
    return tuple(sorted(file for file, _ in _closure(start for start in starts if isinstance(start, tuple))))


@functools.cache
def _hash_of(roots: tuple[type | types.ModuleType, ...]) -> str:
    starts = [start for root in roots for start in _starts(root)]
    state = hashlib.sha256()
    for file, area in sorted(_closure(start for start in starts if isinstance(start, tuple))):
        state.update(f"{area.package}:{file.relative_to(area.folder).as_posix()}\n".encode())
        state.update(_source(file, area).sha)
    for loose in sorted(start for start in starts if isinstance(start, bytes)):
        state.update(loose)
    return state.hexdigest()[:16]


def _starts(root: type | types.ModuleType) -> Iterator[tuple[Path, _Area] | bytes]:
    """Where to begin: files with their areas, or the code of a class that was typed in and has no file."""
    if isinstance(root, types.ModuleType):
        if not getattr(root, "__file__", None):
            raise InputError(f"Module {root.__name__} has no file, so nothing can be said of its code; give it one.")
        yield _place(root)
        return
    for kind in root.__mro__:
        module = sys.modules.get(kind.__module__)
        if kind is root and (module is None or not _is_file(getattr(module, "__file__", None))):
            yield _typed_in(kind)
        elif module is not None and (kind is root or _ours(module) or _beside(module, root)):
            yield _place(module)


def _is_file(name: str | None) -> bool:
    return name is not None and Path(name).is_file()


def _ours(module: types.ModuleType) -> bool:
    return module.__name__.split(".")[0] == _PACKAGE


def _beside(module: types.ModuleType, root: type) -> bool:
    """Whether a base class stands in the area of the class: bases in torch or abc do not decide anything here."""
    own = sys.modules.get(root.__module__)
    if own is None or not _is_file(getattr(own, "__file__", None)) or not _is_file(getattr(module, "__file__", None)):
        return False
    return _place(module)[1] == _place(own)[1]


def _place(module: types.ModuleType) -> tuple[Path, _Area]:
    file = Path(str(module.__file__)).resolve()
    if file.is_relative_to(_ROOT) and _ours(module):
        return file, _Area(_ROOT, _PACKAGE)
    top = sys.modules.get(module.__name__.split(".")[0])
    places = list(getattr(top, "__path__", []))
    for place in map(Path, places):
        if file.is_relative_to(place.resolve()):
            return file, _Area(place.resolve(), module.__name__.split(".")[0])
    return file, _Area(file.parent)


def _typed_in(kind: type) -> bytes:
    """The code of a class without a file (a notebook's, a prompt's)."""
    return fileless_hash(kind).encode()


def _closure(starts: Iterator[tuple[Path, _Area]]) -> set[tuple[Path, _Area]]:
    found: set[tuple[Path, _Area]] = set()
    left = list(starts)
    while left:
        file, area = left.pop()
        if (file, area) in found:
            continue
        found.add((file, area))
        left += [(package, area) for package in _packages_above(file, area)]
        for other in _source(file, area).reaches:
            inside = other.is_relative_to(_ROOT) and not other.is_relative_to(area.folder)
            left.append((other, _Area(_ROOT, _PACKAGE) if inside or area.folder == _ROOT else area))
    return found


def _packages_above(file: Path, area: _Area) -> Iterator[Path]:
    """The ``__init__.py`` of the packages that a module stands in: they run before it. Not the front door."""
    for folder in file.parents:
        if folder in (area.folder, _ROOT):
            break
        yield from (one for one in [folder / "__init__.py"] if one.is_file())


@functools.cache
def _source(file: Path, area: _Area) -> _Source:
    content = file.read_bytes()
    return _Source(hashlib.sha256(content).digest(), frozenset(_reached(ast.parse(content), file, area)))


def _reached(tree: ast.Module, file: Path, area: _Area) -> Iterator[Path]:
    """Files of the package and of the area that a file imports, wherever in it the import stands."""
    # A list of names that are imported when they are asked for: what type checkers see is what there is.
    listed = file == _ROOT / "metrics.py"
    for node in ast.walk(tree) if listed else _statements(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _modules(name.name.split("."), area)
        elif isinstance(node, ast.ImportFrom):
            yield from _imported_from(node, file, area)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == _PACKAGE:
            yield from _exported(node.attr)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING``."""
    left = [tree]
    while left:
        node = left.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            left += node.orelse
        else:
            left += ast.iter_child_nodes(node)


def _imported_from(node: ast.ImportFrom, file: Path, area: _Area) -> Iterator[Path]:
    module = node.module.split(".") if node.module else []
    if node.level:
        folder = file.parents[node.level - 1].joinpath(*module)
        bases = [folder] if folder.is_relative_to(area.folder) else []
    else:
        yield from _modules(module, area)
        bases = _folders(module, area)
    for base in bases:
        if node.level:
            yield from _file_of(base)
        for name in node.names:
            yield from _file_of(base / name.name)
    if not node.level and module == [_PACKAGE]:
        for name in node.names:
            yield from _exported(name.name)


def _folders(names: list[str], area: _Area) -> list[Path]:
    """The folder that a dotted name stands for, in the package or in the area."""
    if names[0] == _PACKAGE:
        return [_ROOT.joinpath(*names[1:])]
    if area.package:
        return [area.folder.joinpath(*names[1:])] if names[0] == area.package else []
    return [] if area.folder.name in _INSTALLED else [area.folder.joinpath(*names)]


def _modules(names: list[str], area: _Area) -> Iterator[Path]:
    """The file of a dotted name and those of the packages above it, which its import runs too."""
    for count in range(1, len(names) + 1):
        for folder in _folders(names[:count], area):
            yield from _file_of(folder)


def _file_of(place: Path) -> Iterator[Path]:
    """The file of a module or package; none for a name that is no module, nor for the front door, which is a list."""
    if place == _ROOT:
        return
    for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
        if file.is_file():
            yield file
            return


def _exported(name: str) -> Iterator[Path]:
    """The file that the front door takes ``name`` from."""
    homes: dict[str, str] = getattr(sys.modules.get(_PACKAGE), "HOMES", {})
    if name in homes:
        yield from _file_of(_ROOT.joinpath(*homes[name].strip(".").split(".")))
