"""A defence that learns, in its own process: it is handed the train split, a recogniser and its key, and hands back
tensors and the curve of its training."""

from __future__ import annotations

import importlib
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ...defenses.base import Defense
from ...defenses.composition import compose
from ..core.context import FitContext
from ..core.progress import Progress
from ..core.seeding import Rng
from ..core.unfinished import resumable
from .arithmetic import set_arithmetic
from .fence import fence
from .remote import RemoteKeep, RemotePlace, remote_faces
from .wire import Peer


@dataclass(frozen=True)
class Lesson:
    """All that the process is told.

    Args:
        parts: module and name of the class, and settings; of two where two stand in a row.
        recognizer: the system's, pickled.
        surrogates: what whoever protects pictures has at hand, pickled.
        train: name, samples, identities and hash of the pictures to learn from; None: there are none.
        pixels: file of these pictures.
        rng: the defence's randomness.
        key: the deployed secret, where the defence has one.
        resolution: side in pixels at which shared networks work.
        progress: where to show it.
        arithmetic: how torch computes in the harness.
        closed: folders that are not to be read.
    """

    parts: list[tuple[tuple[str, str], dict[str, Any]]]
    recognizer: bytes
    surrogates: list[bytes]
    train: tuple[str, list[str], list[str], str] | None
    pixels: str
    rng: Rng
    key: Rng | None
    resolution: int
    progress: Progress
    arithmetic: dict[str, Any]
    closed: tuple[str, ...]


def learn(peer: Peer, content: bytes, device: torch.device, keep: RemoteKeep, scratch: str) -> dict[str, Any]:
    """Fit a defence.

    Returns:
        ``state``, its ``state_dict``, and ``logs``, how it learnt, by what was trained.
    """
    lesson: Lesson = pickle.loads(content)  # nosec B301
    set_arithmetic(lesson.arithmetic)
    made = [getattr(importlib.import_module(module), name)(values) for (module, name), values in lesson.parts]
    defense: Defense = made[0] if len(made) == 1 else compose(*made)
    context = FitContext(
        recognizer=pickle.loads(lesson.recognizer).to(device),  # nosec B301
        train=remote_faces(peer, lesson.train, Path(lesson.pixels)) if lesson.train else None,
        rng=lesson.rng,
        device=device,
        progress=lesson.progress,
        surrogates=tuple(pickle.loads(one).to(device) for one in lesson.surrogates),  # nosec B301
        resolution=lesson.resolution,
        keep=keep,
        key=lesson.key,
    )
    own = str(Path(lesson.pixels).parent) if lesson.pixels else ""
    fence(lesson.closed, scratch, own, "A defense that learns")
    with resumable(RemotePlace(peer)):
        defense.fit(context)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in defense.state_dict().items()}
    return {"state": state, "logs": {what: asdict(log) for what, log in defense.trainings().items()}}
