"""Content-addressed artefacts: an artefact's folder is named after its recipe's key, and is never changed.

A folder appears by one rename when it is complete, so a killed run leaves no half artefact; a lock per artefact keeps
two processes from making the same thing twice.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor

from .core.code import code_of
from .recipe import Recipe


class Store:
    """Artefacts below ``root``.

    Args:
        root: folder; made when needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self, recipe: Recipe, build: Callable[[Path], None]) -> Path:
        """The folder of the artefact; ``build`` writes it into an empty folder if it is not there yet."""
        final = self.root / recipe.kind / recipe.key
        if final.is_dir():
            return final
        final.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(final) + ".lock"):
            if final.is_dir():
                return final
            temporary = final.with_name(f".{final.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
            temporary.mkdir()
            try:
                build(temporary)
                (temporary / "spec.json").write_text(json.dumps(recipe.spelled(), default=str, indent=1))
                temporary.rename(final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return final

    def has(self, recipe: Recipe) -> bool:
        """Whether the artefact is there."""
        return (self.root / recipe.kind / recipe.key).is_dir()

    def tensors(self, recipe: Recipe, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Tensors by name, made once."""

        def build(folder: Path) -> None:
            clean = {name: tensor.detach().cpu().contiguous() for name, tensor in make().items()}
            save_file(clean, folder / "tensors.safetensors")

        return load_file(self.make(recipe, build) / "tensors.safetensors")

    def get(self, kind: str, of: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """``make`` for a data set, which names what it is made from and knows no recipes; the code is ``build``'s."""
        return self.make(Recipe(kind, of, code_of(build.__module__)), build)


def default_root() -> Path:
    """``FACELEAK_STORE``, else ``~/.cache/faceleak``."""
    return Path(os.environ.get("FACELEAK_STORE") or Path.home() / ".cache" / "faceleak").expanduser()
