"""What a plug-in is handed when it is fitted. The process of an attack, or of a defence that learns, holds only this:
no paths, no judges, no victims (SECURITY.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from .errors import InputError, NoGradientError, ThreatModelError
from .faces import FaceSet
from .progress import Progress
from .seeding import Rng

if TYPE_CHECKING:
    from .target import Target

Weights: TypeAlias = "Mapping[str, Tensor]"
Keep: TypeAlias = "Callable[[str, Mapping[str, Any], Callable[[], Weights]], Weights]"


class MakerContext(Protocol):
    """What the makers of shared networks (`bench/zoo`) need: contexts of plug-ins have it, and the harness's."""

    @property
    def rng(self) -> Rng: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def resolution(self) -> int: ...
    @property
    def keep(self) -> Keep: ...


@dataclass(frozen=True)
class FitContext:
    """For a defence.

    Args:
        recognizer: the system's recogniser, frozen: (N, 3, H, W) -> (N, D).
        train: the identities the system may learn from.
        rng: the run's randomness.
        device: where to work.
        progress: where to show it.
        surrogates: recognisers that whoever protects pictures has at hand; differentiable ones, and never the deployed
            one unless the track says so.
        resolution: side in pixels at which shared networks work on pictures.
        keep: (name, what else it depends on, how it is made) -> weights of a network that several defences share: made
            once for this train split.
        key: the deployed secret, for a server that is trained for it, where the defence has one; None: the one that
            follows from the seed.
    """

    recognizer: nn.Module
    train: FaceSet | None
    rng: Rng
    device: torch.device
    progress: Progress
    surrogates: tuple[nn.Module, ...] = ()
    resolution: int = 64
    keep: Keep = field(default=lambda name, spec, make: make())
    key: Rng | None = None

    def need_surrogates(self, purpose: str) -> tuple[nn.Module, ...]:
        """At least one recogniser with gradients.

        Args:
            purpose: who needs them for what, the beginning of the message.

        Raises:
            InputError: there is none, or one is forward only.
        """
        if not self.surrogates:
            raise InputError(f"{purpose}, and the track names none; give it protocol.protectors, with gradients.")
        for one in self.surrogates:
            if not getattr(one, "differentiable", True):
                raise NoGradientError(one.no_gradient_message())  # type: ignore[operator]
        return self.surrogates

    def faces(self, purpose: str, identities: int = 1) -> FaceSet:
        """The train split.

        Args:
            purpose: who needs it for what, the beginning of the message.
            identities: how many people it must show.

        Raises:
            InputError: there is none, or it shows fewer.
        """
        if self.train is None or self.train.n_identities < identities:
            seen = 0 if self.train is None else self.train.n_identities
            raise InputError(
                f"{purpose}; give the track a train split with at least {identities} identities, this one has {seen}."
            )
        return self.train

    def some(self, purpose: str, count: int) -> Tensor:
        """(min(count, n),) positions of train pictures in random order, other ones for another purpose."""
        assert self.train is not None
        return torch.randperm(len(self.train), generator=self.rng.child(purpose).torch())[:count]

    @torch.no_grad()
    def embeddings(self, side: int | None = None, mirrored: bool = False) -> Tensor:
        """(n, D) what the recogniser says of every train picture, brought to ``side`` pixels where that is given."""
        assert self.train is not None
        parts = []
        for index in torch.arange(len(self.train)).split(256):
            images = self.train.images(index) if side is None else self.train.resized(index, side)
            images = images.to(self.device)
            parts.append(self.recognizer(images.flip(-1) if mirrored else images))
        return torch.cat(parts)


def as_kept(module: nn.Module, weights: Weights) -> nn.Module:
    """``module`` with kept weights, frozen, in the layout that training leaves: made or read, the same last bits."""
    module.load_state_dict(weights)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module.eval().requires_grad_(False)


@dataclass
class AttackContext:
    """For an attack.

    Args:
        target: the metered handle on the attacked system.
        public: the adversary's own images.
        rng: the attack's randomness.
        device: where to work.
        progress: where to show it.
        resolution: side in pixels of recovered images.
        surrogate: a public recogniser of the adversary's, or None.
        surrogate_embeddings: its (N, D) embeddings of the public images, computed once for all attacks.
        photographs: ceilings only: the victims' own photographs by role.
        keep: (name, what else it depends on, how it is made) -> weights that do not depend on the defence: made once
            for all attacks on this recogniser with these public images and this seed.
    """

    target: Target
    public: FaceSet
    rng: Rng
    device: torch.device
    progress: Progress
    resolution: int
    surrogate: nn.Module | None = None
    surrogate_embeddings: Callable[[], Tensor] | None = None
    photographs: dict[str, Tensor] | None = None
    keep: Keep = field(default=lambda name, spec, make: make())

    def need_photographs(self, role: str) -> Tensor:
        """(N, 3, H, W) of the victims.

        Raises:
            ThreatModelError: this is an attack, not a ceiling.
        """
        if self.photographs is None:
            raise ThreatModelError(
                f"The victims' photographs ({role}) were asked for, but the threat model does not grant `victims`; "
                "only ceiling rows may declare it."
            )
        return self.photographs[role]
