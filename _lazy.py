"""Names that are imported when first asked for (PEP 562): a package says at once what it has, without torch."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy(
    package: str, modules: Mapping[str, str]
) -> tuple[dict[str, str], Callable[[str], Any], Callable[[], list[str]]]:
    """``HOMES`` (public name -> module), ``__getattr__`` and ``__dir__`` of a module whose names live elsewhere.

    Args:
        package: the module's ``__name__``.
        modules: module, relative to faceleak -> its public names, spaces between them; ``inner:public`` where the name
            there is another, ``:public`` for the module itself.

    >>> homes, find, names = lazy("demo", {"bench.metrics.quality": "psnr ssim"})
    >>> find("pnsr")
    Traceback (most recent call last):
        ...
    AttributeError: demo has no 'pnsr'; did you mean 'psnr'?
    """
    root = __name__.split(".")[0]
    places: dict[str, tuple[str, str]] = {}  # public name -> module, name there
    for module, words in modules.items():
        for word in words.split():
            inner, colon, public = word.partition(":")
            places[public if colon else word] = (module, inner)

    def find(name: str) -> Any:
        if name not in places:
            close = difflib.get_close_matches(name, places, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; dir({package}) lists what it has."
            raise AttributeError(f"{package} has no {name!r}{hint}")
        module, inner = places[name]
        value: Any = importlib.import_module(f"{root}.{module}")
        if inner:
            value = getattr(value, inner)
        if package in sys.modules:
            setattr(sys.modules[package], name, value)  # found once, it is an ordinary attribute
        return value

    def names() -> list[str]:
        return sorted({*places, *vars(sys.modules[package])})

    return {public: module for public, (module, _) in places.items()}, find, names
