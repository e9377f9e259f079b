"""Where a data pack lies when nobody says where: one folder for each user."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

WEIGHTS = "weights"  # folder of a pack that FACELEAK_WEIGHTS names


def default_place() -> Path:
    """Where ``faceleak prepare`` puts a pack, and where it is looked for while FACELEAK_DATA is not set.

    Raises:
        RuntimeError: the user has no home.
    """
    return Path.home() / ".local" / "share" / "faceleak"


def offer() -> None:
    """Set FACELEAK_DATA to the pack that ``prepare`` made, and FACELEAK_WEIGHTS to its backbones, where neither is set.

    In the environment, so that workers and attacks' processes see the same.
    """
    with suppress(RuntimeError):
        if not os.environ.get("FACELEAK_DATA") and default_place().is_dir():
            os.environ["FACELEAK_DATA"] = str(default_place())
    backbones = Path(os.environ.get("FACELEAK_DATA") or ".").expanduser() / WEIGHTS
    if os.environ.get("FACELEAK_DATA") and not os.environ.get("FACELEAK_WEIGHTS") and backbones.is_dir():
        os.environ["FACELEAK_WEIGHTS"] = str(backbones)
