"""The harness as an attack's process sees it: a target that asks, pictures of its own, networks as copies."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.context import AttackContext, Weights
from ..core.leaks import Leak
from ..core.secrets import SecretSource
from ..core.surfaces import Surface
from ..core.threat import ThreatModel
from ..core.unfinished import resumable
from .pixels import Mapped, OwnFaces
from .wire import Peer

RECOGNIZER = "recognizer"  # what stands for the recogniser in a defence's copy


class RemoteTarget:
    """``Target`` (bench/core/target.py) at the other end of a socket: asked here, granted, counted and refused there.

    Args:
        peer: the harness.
        threat: what is granted, to be read; changing it changes nothing.
        surface: where the leak is.
        device: where copies of networks go.
    """

    def __init__(self, peer: Peer, threat: ThreatModel, surface: Surface, device: torch.device) -> None:
        self._peer, self._device = peer, device
        self.threat, self.surface = threat, surface

    def leak(self, images: Tensor, ids: Tensor, presentation: int = 0) -> Leak:
        return self._peer.call("leak", images=images, ids=ids, presentation=presentation)  # type: ignore[no-any-return]

    def pairs(self, index: Tensor, presentation: int = 0) -> Leak:
        return self._peer.call("pairs", index=index, presentation=presentation)  # type: ignore[no-any-return]

    def all_pairs(self, limit: int | None = None) -> Leak:
        return self._peer.call("all_pairs", limit=limit)  # type: ignore[no-any-return]

    def example(self) -> Leak:
        return self._peer.call("example")  # type: ignore[no-any-return]

    def query(self, images: Tensor, victims: Tensor) -> Leak:
        return self._peer.call("query", images=images, victims=victims)  # type: ignore[no-any-return]

    def embed(self, images: Tensor) -> Tensor:
        return self._peer.call("embed", images=images)  # type: ignore[no-any-return]

    def public_embeddings(self) -> Tensor:
        return self._peer.call("public_embeddings")  # type: ignore[no-any-return]

    def scores(self, images: Tensor, victims: Tensor) -> Tensor:
        return self._peer.call("scores", images=images, victims=victims)  # type: ignore[no-any-return]

    def public_scores(self, index: Tensor, victims: Tensor) -> Tensor:
        return self._peer.call("public_scores", index=index, victims=victims)  # type: ignore[no-any-return]

    def cut(self, leak: Leak) -> Leak:
        return self._peer.call("cut", leak=leak)  # type: ignore[no-any-return]

    @property
    def pair_budget(self) -> int:
        return self._peer.call("pair_budget")  # type: ignore[no-any-return]

    @property
    def n_pairs(self) -> int:
        return self._peer.call("n_pairs")  # type: ignore[no-any-return]

    @property
    def n_queries(self) -> int:
        return self._peer.call("n_queries")  # type: ignore[no-any-return]

    @property
    def queries_per_victim(self) -> int:
        return self._peer.call("queries_per_victim")  # type: ignore[no-any-return]

    @cached_property
    def _recognizer(self) -> nn.Module:
        return pickle.loads(self._peer.call("recognizer")).to(self._device)  # type: ignore[no-any-return]  # nosec B301

    @property
    def recognizer(self) -> nn.Module:
        """A copy with gradients (white box)."""
        return self._recognizer

    @cached_property
    def defense(self) -> Any:
        """A copy of the defence; its recogniser is a copy where white box is granted, else one that asks."""
        answer = self._peer.call("defense")
        own = self.recognizer if answer["white"] else AskedRecognizer(self, answer["dim"], answer["size"])
        return _Unpickler(answer["defense"], own).load().to(self._device)

    @property
    def secrets(self) -> SecretSource:
        """The victim installation's secrets (K3)."""
        return pickle.loads(self._peer.call("secrets"))  # type: ignore[no-any-return]  # nosec B301


class AskedRecognizer(nn.Module):
    """In the place of a recogniser that is not granted: every embedding is a question, counted or refused."""

    differentiable = False

    def __init__(self, target: RemoteTarget, dim: int, size: int) -> None:
        super().__init__()
        self._ask, self.dim, self.size = target.embed, dim, size

    def forward(self, images: Tensor) -> Tensor:
        return self._ask(images)

    def embed(self, images: Tensor) -> Tensor:
        return self._ask(images)


# Pickles come from the harness, which made them for its own child; nothing travels so the other way (``wire.py``).
class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, recognizer: nn.Module) -> None:
        super().__init__(io.BytesIO(content))
        self._recognizer = recognizer

    def persistent_load(self, pid: Any) -> nn.Module:
        return self._recognizer


def remote_faces(peer: Peer, described: tuple[str, list[str], list[str], str], pixels: Path) -> OwnFaces:
    """The adversary's own pictures: mapped, not copied."""
    return OwnFaces(
        described,
        Mapped(pixels),
        lambda: pickle.loads(peer.call("attributes")),  # nosec B301
        lambda index: pickle.loads(peer.call("anatomy", index=torch.as_tensor(index))),  # nosec B301
        lambda size: Mapped(Path(peer.call("resized", size=size))),
    )


class RemoteKeep:
    """``context.keep``: the harness keeps it; what it has not got is made here.

    A maker is asked for by the harness while this end waits, so it stands in ``makers`` meanwhile.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.makers: list[Callable[[], Weights]] = []

    def __call__(self, name: str, depends: Mapping[str, Any], make: Callable[[], Weights]) -> Weights:
        self.makers.append(make)
        try:
            return self._peer.call("keep", name=name, depends=_plain(depends), module=make.__module__)  # type: ignore[no-any-return]
        finally:
            self.makers.pop()

    def make(self) -> dict[str, Tensor]:
        """For the harness: what was asked for last, made."""
        with resumable(RemotePlace(self._peer)):
            return dict(self.makers[-1]())


class RemotePlace:
    """Where trainings keep themselves: with the harness, as long as it makes something that it keeps."""

    spent_before = 0.0  # the harness counts

    def __init__(self, peer: Peer) -> None:
        self._peer, self._open = peer, True

    def read(self, name: str) -> Mapping[str, Tensor] | None:
        answer = self._peer.call("unfinished", name=name)
        self._open = bool(answer["open"])
        return answer["state"]  # type: ignore[no-any-return]

    def write(self, name: str, state: Mapping[str, Tensor]) -> None:
        if self._open:
            self._peer.call("keep_unfinished", name=name, state=dict(state))


def _plain(value: Any) -> Any:
    """As the recipe's key takes it: what JSON does not know is its text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def remote_context(peer: Peer, start: Any, device: torch.device, keep: RemoteKeep) -> AttackContext:
    """What the attack is given; see ``Start``."""
    target: Any = RemoteTarget(peer, start.threat, start.surface, device)
    own = pickle.loads(start.surrogate).to(device) if start.surrogate else None  # nosec B301
    asked: list[Tensor] = []

    def embeddings() -> Tensor:
        if not asked:
            asked.append(peer.call("surrogate_embeddings"))
        return asked[0]

    return AttackContext(
        target=target,
        public=remote_faces(peer, start.public, Path(start.pixels)),
        rng=start.rng,
        device=device,
        progress=start.progress,
        resolution=start.resolution,
        surrogate=own,
        surrogate_embeddings=embeddings if own is not None else None,
        keep=keep,
    )
