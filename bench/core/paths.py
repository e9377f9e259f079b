"""Paths in track files may hold ``${VARIABLES}``."""

from __future__ import annotations

import os
import re

from .errors import InputError


def expand(path: str) -> str:
    """``path`` with environment variables and ``~`` filled in.

    Raises:
        InputError: a variable is not set; the message names it.
    """
    for name in re.findall(r"\$\{?(\w+)\}?", path):
        if not os.environ.get(name):
            hint = " to the folder of a data pack (`faceleak prepare lfw` makes one)" if name == "FACELEAK_DATA" else ""
            raise InputError(f"{path} needs the environment variable {name}, which is not set; export {name}{hint}.")
    return os.path.expanduser(os.path.expandvars(path))
