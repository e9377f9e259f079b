"""Whether the pictures that lie with a cell are those that were scored: against the hashes that the cell kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..measure.pictures import Pictures, picture_sha
from ..record.arrays import read_arrays
from ..record.cell_files import PICTURES
from ..record.results import kept_file


def strange_pictures(folder: Path) -> str:
    """What is wrong with the recovered pictures of a cell; nothing where it keeps no pictures, or no hashes."""
    kept = folder / kept_file(Pictures.name)
    if not (folder / PICTURES).is_file() or not kept.is_file():
        return ""
    try:
        hashes = read_arrays(kept)
        if "recovered_sha256" not in hashes or not len(shown := hashes["shown"]):
            return ""
        told = hashes["recovered_sha256"]
        found = np.stack([picture_sha(one) for one in load_file(folder / PICTURES)["recovered"]])
        same = np.array_equal(found, told[shown])
    except (OSError, ValueError, LookupError, SafetensorError) as error:
        return f"{PICTURES} cannot be held against the kept hashes ({type(error).__name__}: {error})."
    return "" if same else f"{PICTURES} shows other faces than those that were scored."
