"""What identifies a plug-in class that stands in no file: a notebook's cell, a REPL.

Its methods' compiled code is hashed, with the plain values of its body and whatever of the same module they name
(helper functions and classes, constants), so that an edited cell is another plug-in. Comments, docstrings and line
numbers do not count; nor does what other modules hold.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import types
from collections.abc import Iterator, Set
from enum import Enum
from typing import Any


def fileless_hash(cls: type) -> str:
    """Short sha256 of the code of ``cls``; the same in every process that runs the same cells."""
    state = hashlib.sha256()
    for word in _class_words(cls, set()):
        state.update(word.encode() + b"\x1f")
    return state.hexdigest()[:12]


def _class_words(cls: type, seen: set[int]) -> Iterator[str]:
    if id(cls) in seen:
        return
    seen.add(id(cls))
    yield cls.__qualname__
    for base in cls.__bases__:
        yield from _words(base, cls.__module__, seen)
    for name, value in sorted(vars(cls).items()):
        if name != "name" and (not name.startswith("__") or name in ("__init__", "__call__", "__post_init__")):
            yield name  # what it is registered as comes later than the class, and says nothing of it
            yield from _words(value, cls.__module__, seen)
    if dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            yield f"{field.name}: {field.type} = {field.default!r}"


def _words(value: Any, module: str, seen: set[int]) -> Iterator[str]:
    """Of one value that a class's body or a function's code names."""
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, types.FunctionType):
        if value.__module__ == module and id(value) not in seen:
            seen.add(id(value))
            yield from _code_words(value.__code__, module, seen)
            yield repr((value.__defaults__, sorted((value.__kwdefaults__ or {}).items())))
    elif isinstance(value, type):
        if value.__module__ == module:
            yield from _class_words(value, seen)
    else:
        yield plain(value)


def _code_words(code: types.CodeType, module: str, seen: set[int]) -> Iterator[str]:
    yield code.co_code.hex()
    yield " ".join((*code.co_names, *code.co_varnames, *code.co_freevars))
    constants = code.co_consts[1:] if code.co_consts[:1] and isinstance(code.co_consts[0], str) else code.co_consts
    for constant in constants:  # the first one is the docstring where it is text
        if isinstance(constant, types.CodeType):
            yield from _code_words(constant, module, seen)
        else:
            yield plain(constant)
    there = vars(sys.modules[module]) if module in sys.modules else {}
    for name in code.co_names:
        if name in there:
            yield from _words(there[name], module, seen)


def plain(value: Any) -> str:
    """A value as text that is the same in every process; of others their type alone."""
    if value is None or isinstance(value, (str, bytes, int, float, complex, Enum)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, Set):
        return f"{{{', '.join(sorted(map(plain, value)))}}}"
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{plain(key)}: {plain(one)}' for key, one in value.items()))}}}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__qualname__}({plain(vars(value))})"
    return type(value).__qualname__
