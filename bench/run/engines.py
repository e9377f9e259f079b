"""Who does the work of a run."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from ..core.errors import InputError
from ..execute.cluster import Cluster
from ..execute.here import Here
from ..execute.local import Local
from ..execute.task import Executor, Task
from ..prepare.session import Session
from .options import RunOptions
from .work import CellWork

WORKER_BYTES = 2 << 30  # what a worker and its attack's process hold of a small track
MOST_WORKERS = 1024


def engine(options: RunOptions, session: Session, work: CellWork, begun: Callable[[Task], None]) -> Executor:
    """The engine that a run is asked for; it is ready when this returns, or will be while data is read.

    Args:
        options: of the run.
        session: this process's.
        work: what is done with each task.
        begun: hears of tasks that begin here.
    """
    if options.ray:
        gpus = options.gpus or float(options.device.type == "cuda")
        remote = work.carrying()  # its machines have no run folder
        return Cluster(remote, options.ray, options.threads or 1, gpus, MOST_WORKERS, options.progress.say)
    if options.workers > 1 and hasattr(os, "fork"):
        devices = torch.cuda.device_count() if options.device == torch.device("cuda") else 0
        threads = options.threads or max(1, torch.get_num_threads() // options.workers)
        spread = devices if devices > 1 else 0
        return Local(work, session.processes, options.workers, threads, spread, options.progress.say)
    if options.workers > 1:
        options.progress.say("This system cannot fork: the cells run one after the other.")
    if not session.in_process:
        session.processes.begin()  # imports what attacks need while data is read
    for alias in recognizers_of(session):  # one that cannot be made is met before the first cell
        session.of(session.track.seeds[0]).recognizer(alias)
    return Here(work, begun)


def recognizers_of(session: Session) -> list[str]:
    """The names of the recognisers that attacks, defences and judges of a track use."""
    used = {alias for one in session.track.targets for alias in (one.recognizer, *one.judges, one.surrogate) if alias}
    return sorted(used)


def worker_count(text: str, device: torch.device, cores: int) -> int:
    """What ``--workers`` means.

    Args:
        text: a number, or ``auto``: one for each core or accelerator, as far as memory goes.
        device: where networks run.
        cores: that may be used.

    Raises:
        InputError: neither.
    """
    if text == "auto":
        if device.type == "cpu":
            return max(1, min(cores, _memory() // WORKER_BYTES, MOST_WORKERS))
        return torch.cuda.device_count() if device == torch.device("cuda") else 1
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise InputError(f"--workers {text!r}: expected auto, or a number from 1 to {MOST_WORKERS}.")
    return int(text)


def _memory() -> int:
    """Bytes that are free for the asking; of systems that do not say, as many as anybody could want."""
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return WORKER_BYTES * MOST_WORKERS
