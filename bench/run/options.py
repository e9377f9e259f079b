"""How a run is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..core.progress import Progress


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Args:
        out: run folder.
        store: artefacts.
        device: ``cpu``, ``cuda``, ...
        only: (key, label or shell pattern) filters on cells: a cell must match one of each key's.
        again: words that a cell's command repeats: where its plug-ins come from, seeds that are not the track's.
        command: the command line, for provenance.
        progress: where progress goes.
        origin: where the track came from, as ``origin_of`` says it.
        in_process: attacks run, and defences learn, in the harness's process: for debugging, and marked.
        workers: processes of this machine that run cells; 1: this one does.
        threads: of the processor for each worker; 0: what this process has, shared.
        ray: a Ray cluster that runs cells instead: ``auto`` or its address; nothing: none.
        gpus: of that cluster for each worker, also a part of one.
        artefacts: where the machines of a cluster share what they make, an fsspec path; ``store`` is each one's copy.
    """

    out: Path
    store: Path
    device: torch.device
    only: tuple[tuple[str, str], ...] = ()
    again: tuple[str, ...] = ()
    command: str = ""
    progress: Progress = field(default_factory=Progress)
    origin: str = ""
    in_process: bool = False
    workers: int = 1
    threads: int = 0
    ray: str = ""
    gpus: float = 0.0
    artefacts: str = ""
