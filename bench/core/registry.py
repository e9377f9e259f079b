"""Names to classes: built-in files, entry points of other packages, and single files given by path.

Built-in plug-ins need no list: every module in ``attacks/``, ``defenses/``, ``datasets/`` and ``bench/recognizers/`` is
imported when its registry is first asked.
"""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import importlib
import importlib.util
import pkgutil
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from .errors import PluginWarning, RegistryError

T = TypeVar("T")
_ROOT = __name__.split(".")[0]


def nearest(word: str, choices: list[str]) -> str:
    """A hint for a message: the closest of ``choices``, or all of them."""
    close = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(choices)) or 'none'}."


class Registry(Generic[T]):
    """One kind of plug-in by name.

    Args:
        kind: singular word for messages, for example ``attack``.
        package: sub-package of faceleak whose modules register themselves.
        group: entry-point group through which other packages add theirs.
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind, self.package, self._group = kind, f"{_ROOT}.{package}", group
        self._items: dict[str, type[T]] = {}
        self._discovered = False
        self._broken: dict[str, str] = {}  # names of entry points that do not load -> why

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator. A second registration of a name is an error, not an override."""

        def decorate(cls: type[T]) -> type[T]:
            if name in self._items and not _again(self._items[name], cls):
                first = self._items[name]
                raise RegistryError(
                    f"{self.kind} {name!r} is already registered by {first.__module__}.{first.__qualname__}; "
                    f"{cls.__module__}.{cls.__qualname__} needs another name."
                )
            cls.name = name  # type: ignore[attr-defined]
            self._items[name] = cls
            return cls

        return decorate

    @contextlib.contextmanager
    def lent(self, cls: type[T]) -> Iterator[str]:
        """Within, ``cls`` has a name: the one it is registered by, else one for the time being.

        Raises:
            RegistryError: another class is called so.
        """
        self.discover()
        name = cls.__dict__.get("name") or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
        if self._items.get(name) is cls:
            yield name
            return
        self.register(name)(cls)
        try:
            yield name
        finally:
            del self._items[name]

    def discover(self) -> None:
        """Import the built-in modules and the entry points, once."""
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        self._enter()

    def added(self) -> dict[str, type[T]]:
        """Name -> class of what is not built in: entry points and loaded files. Imports nothing that is built in."""
        self._enter()
        return {name: cls for name, cls in self._items.items() if not cls.__module__.startswith(f"{self.package}.")}

    def _enter(self) -> None:
        """Import the entry points and register what they name, unless it is."""
        for point in entry_points(group=self._group):
            if point.name not in self._broken:
                self._load(point)

    def _load(self, point: EntryPoint) -> None:
        """Add another package's plug-in; a broken one is named and left out, the rest lives."""
        try:
            loaded = point.load()
            if isinstance(loaded, type) and loaded not in self._items.values():
                self.register(point.name)(loaded)
        except (Exception, SystemExit) as error:
            package = point.dist.name if point.dist else point.value
            why = f"{type(error).__name__}: {error}"
            self._broken[point.name] = f"{self.kind} {point.name!r} of the package {package} does not load ({why})"
            message = f"{self._broken[point.name]}; it is left out. Update or remove that package."
            warnings.warn(message, PluginWarning, stacklevel=2)

    def get(self, name: str) -> type[T]:
        """The class registered as ``name``.

        Raises:
            RegistryError: unknown; the message names the closest known name.
        """
        self.discover()
        if name in self._broken and name not in self._items:
            raise RegistryError(f"{self._broken[name]}; update that package, or leave it out of the track.")
        if name not in self._items:
            raise RegistryError(f"No {self.kind} is called {name!r}; {nearest(name, list(self._items))}")
        return self._items[name]

    def names(self, pattern: str = "*") -> list[str]:
        """Registered names that match a shell pattern, sorted."""
        self.discover()
        return sorted(fnmatch.filter(self._items, pattern))


def _again(first: type, second: type) -> bool:
    """Whether a class of a notebook was defined once more: its cell ran again, or was edited."""
    place = (first.__module__, first.__qualname__)
    return first.__module__ == "__main__" and place == (second.__module__, second.__qualname__)


ATTACKS: Registry[Any] = Registry("attack", "attacks", "faceleak.attacks")
DEFENSES: Registry[Any] = Registry("defense", "defenses", "faceleak.defenses")
DATASETS: Registry[Any] = Registry("dataset", "datasets", "faceleak.datasets")
RECOGNIZERS: Registry[Any] = Registry("recognizer", "bench.recognizers", "faceleak.recognizers")
MEASUREMENTS: Registry[Any] = Registry("measurement", "bench.measure", "faceleak.measurements")

register_attack = ATTACKS.register
register_defense = DEFENSES.register
register_dataset = DATASETS.register
register_recognizer = RECOGNIZERS.register
register_measurement = MEASUREMENTS.register


def load_plugin(path: str | Path) -> None:
    """Import a single plug-in file (``--plugin file.py``); its decorators register what it holds.

    Raises:
        RegistryError: the file is not there or does not import; the message carries the reason.
    """
    file = Path(path).resolve()
    module_name = f"{_ROOT}_plugin_{file.stem}"
    if module_name in sys.modules and sys.modules[module_name].__file__ == str(file):
        return
    if not file.is_file():
        raise RegistryError(f"Plug-in file {file} does not exist; give the path of a Python file.")
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise RegistryError(f"Plug-in file {file} is no Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a file that ends in sys.exit(main()) is a script
        del sys.modules[module_name]
        if isinstance(error, RegistryError):
            raise
        raise RegistryError(f"Plug-in {file} does not import: {type(error).__name__}: {error}") from error
