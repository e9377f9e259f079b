"""What the built-in plug-ins say of themselves, read from their source: no plug-in is imported, and no torch.

Each class statement becomes a class of the same name and bases, with its docstring and those assignments of its body
that the vocabulary of ``bench/core`` explains (``surfaces = frozenset({Surface.TEMPLATE})``); everything else, methods
above all, is left out. Only what the listing prints may be asked of it. What cannot be read so is told by
``Unreadable``, and whoever asks imports the plug-ins instead.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.surfaces import Fidelity, Goal, Secret, Surface
from ..core.threat import DefenseKnowledge, RecognizerAccess, ThreatModel

ROOT = Path(__file__).resolve().parent.parent.parent
_VOCABULARY = {
    one.__name__: one for one in (DefenseKnowledge, Fidelity, Goal, RecognizerAccess, Secret, Surface, ThreatModel)
}
_SAID = {
    *("name", "label", "paper", "fidelity", "licence"),
    *("surfaces", "recovers", "threat", "trained"),
    *("protects", "secrets", "goal", "needs_training"),
}


class Unreadable(Exception):
    """A plug-in's source says something that has to be run to be known."""


def catalogue(package: str) -> dict[str, type]:
    """Registered name -> a stand-in for its class, of every plug-in in a sub-package.

    Args:
        package: ``attacks``, ``defenses``, ``datasets`` or ``bench.recognizers``.

    Raises:
        Unreadable: a value or a registration is computed.
    """
    reader = _Reader()
    found: dict[str, type] = {}
    for file in sorted((ROOT / package.replace(".", "/")).glob("*.py")):
        found |= reader.module(file)[1]
    return found


class _Reader:
    """Reads each module once."""

    def __init__(self) -> None:
        self._modules: dict[Path, tuple[dict[str, type], dict[str, type]]] = {}

    def module(self, file: Path) -> tuple[dict[str, type], dict[str, type]]:
        """A file's classes by the name they have there, imported ones included, and those that it registers."""
        if file not in self._modules:
            classes: dict[str, type] = {}
            registered: dict[str, type] = {}
            self._modules[file] = (classes, registered)
            tree = ast.parse(file.read_text(encoding="utf-8"))
            bases = {base.id for node in tree.body if isinstance(node, ast.ClassDef) for base in _named_bases(node)}
            for node in tree.body:
                if isinstance(node, ast.ImportFrom):
                    classes.update(self._imported(node, file, bases))
                elif isinstance(node, ast.ClassDef):
                    classes[node.name] = _stand_in(node, classes)
                    registered |= dict.fromkeys(_registrations(node), classes[node.name])
                elif isinstance(node, ast.Expr) and "register_" in ast.dump(node.value):
                    raise Unreadable(f"{file.name}, line {node.lineno}: a registration that is no decorator.")
        return self._modules[file]

    def _imported(self, node: ast.ImportFrom, file: Path, bases: set[str]) -> dict[str, type]:
        """Those of ``bases`` that a relative import brings."""
        if not node.level or node.module is None:
            return {}
        source = (file.parents[node.level - 1] / node.module.replace(".", "/")).with_suffix(".py")
        wanted = {
            alias.name: alias.asname or alias.name for alias in node.names if (alias.asname or alias.name) in bases
        }
        if not wanted or not source.is_file():
            return {}
        there = self.module(source)[0]
        return {here: there[name] for name, here in wanted.items() if name in there}


def _named_bases(node: ast.ClassDef) -> list[ast.Name]:
    return [base for base in node.bases if isinstance(base, ast.Name)]


def _stand_in(node: ast.ClassDef, known: dict[str, type]) -> type:
    """A class with the bases that are known and what the body says."""
    said: dict[str, Any] = {"__doc__": ast.get_docstring(node, clean=False), "__module__": __name__}
    for line in node.body:
        target: ast.expr | None = line.target if isinstance(line, ast.AnnAssign) else None
        if isinstance(line, ast.Assign) and len(line.targets) == 1:
            target = line.targets[0]
        value = getattr(line, "value", None)
        if isinstance(target, ast.Name) and target.id in _SAID and value is not None:
            said[target.id] = _value(value, f"{node.name}.{target.id}")
    bases = [known[base.id] for base in _named_bases(node) if base.id in known]
    return type(node.name, tuple(bases), said)


def _value(node: ast.expr, owner: str) -> Any:
    names: dict[str, Any] = {"__builtins__": {}, "frozenset": frozenset, **_VOCABULARY}
    try:
        return eval(compile(ast.Expression(node), owner, "eval"), names)  # our own words  # nosec B307
    except Exception as error:
        raise Unreadable(f"{owner} = {ast.unparse(node)}: {error}") from error


def _registrations(node: ast.ClassDef) -> Iterator[str]:
    """Names under which a class is registered by its decorators."""
    for one in node.decorator_list:
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id.startswith("register_"):
            if not one.args or not isinstance(one.args[0], ast.Constant):
                raise Unreadable(f"{node.name}: registered by a name that is computed.")
            yield str(one.args[0].value)
