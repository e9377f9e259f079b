"""Where a store keeps what is being made, for whoever goes on with it: one file for each training loop, replaced as it
gets on."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..core.unfinished import meter_state, set_meter
from .durable import force

SPENT = "spent_s"


class Unfinished:
    """The trainings of one artefact that is being made.

    Args:
        folder: of this artefact's own, made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._start = folder, time.monotonic()
        self.spent_before = max([0.0, *(_about(file).get(SPENT, 0.0) for file in folder.glob("*.safetensors"))])

    def read(self, name: str) -> Mapping[str, Tensor] | None:
        """Tensors by name; a meter that was kept with them is set."""
        file = self._file(name)
        try:
            with safe_open(file, "pt") as kept:
                state = {one: kept.get_tensor(one) for one in kept.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return None
        set_meter(state)
        return {one: value for one, value in state.items() if not one.startswith("meter.")}

    def write(self, name: str, state: Mapping[str, Tensor]) -> None:
        """One generation: the new one takes the place of the one before when it is safely on disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self._file(name)
        half = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
        spent = self.spent_before + time.monotonic() - self._start
        clean = {one: value.contiguous() for one, value in {**state, **meter_state()}.items()}
        try:
            save_file(clean, half, {"about": json.dumps({SPENT: spent})})
            force(half)
            half.replace(file)
        finally:
            half.unlink(missing_ok=True)
        force(self.folder)

    def clear(self) -> None:
        """The artefact is made."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, name: str) -> Path:
        plain = "".join(one if one.isalnum() or one == "-" else "_" for one in name)  # it may come from a plug-in
        return self.folder / f"{plain[:80]}.safetensors"


def _about(file: Path) -> dict[str, Any]:
    try:
        with safe_open(file, "pt") as kept:
            return json.loads((kept.metadata() or {}).get("about", "{}"))
    except (OSError, ValueError, SafetensorError):
        return {}
