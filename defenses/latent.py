"""What cloaks share that search the latent codes of a face instead of its pixels: the prior, the decoy, the descent.

The search belongs to each picture alone: losses are summed over pictures, Adam works coordinate by coordinate, no
network has batch statistics, and what is random (copies, warps) is the same for all pictures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet, resize
from ..bench.core.nets.style_autoencoder import StyleAutoencoder
from ..bench.core.precision import exactly
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Goal, Surface
from ..bench.zoo.style_autoencoder import StyleSettings, style_autoencoder
from .base import Defense

# Always this many pictures at a time, the last ones repeated: kernels round differently for other batch sizes, and a
# hundred steps of Adam turn that into another picture.
ROWS = 8

Aim: TypeAlias = Literal["impersonate", "dodge", "both"]
Variables: TypeAlias = "dict[str, Tensor]"


@dataclass(frozen=True)
class LatentSettings(StyleSettings):
    """The prior, and what the search is for."""

    aim: Aim = "impersonate"  # be taken for the decoy; not be recognised; both
    search_steps: int = 50  # of Adam
    search_lr: float = 0.02


class LatentCloak(Defense, ABC):
    """Base class: a subclass writes ``_search``, and ``_prepare`` where it needs more than prior and surrogates."""

    protects = Surface.IMAGE
    goal = Goal.CLOAK
    slow = True
    uses_surrogates = True
    fidelity = Fidelity.SIMPLIFIED
    claims = "Unknown recognisers take the published picture for somebody else; people do not."
    Settings = LatentSettings
    settings: LatentSettings

    def _build(self, context: FitContext) -> None:
        check_budgets(self.name, self.settings)
        surrogates = context.need_surrogates(f"{self.name} searches against recognisers of the protector's")
        faces = context.faces(f"{self.name} learns a prior of faces and takes a decoy from the train split", 2)
        net = style_autoencoder(faces, context, self.settings)
        decoy = int(context.rng.child("decoy").uniform(torch.zeros(1, dtype=torch.int64)) * faces.n_identities)
        photograph = resize(faces.images(first_photographs(faces)[decoy][None]), net.size).to(context.device)
        with torch.no_grad():
            self.adversary = Adversary(surrogates, [f(photograph) for f in surrogates], self.settings.aim)
        self.decoy = decoy
        # Kept out of the module tree: shared weights are not part of a defence's state.
        object.__setattr__(self, "net", net)
        self._prepare(faces, context)

    net: StyleAutoencoder

    def _prepare(self, faces: FaceSet, context: FitContext) -> None:
        """What else the search needs."""

    @abstractmethod
    def _search(self, images: Tensor) -> Tensor:
        """(``ROWS``, 3, s, s) at the prior's side -> what is published of them."""

    def decoys(self) -> Tensor | None:
        """(1,) the label of the person whom all pictures are made to pass for, unless they are only to be dodged."""
        return None if self.settings.aim == "dodge" else torch.tensor([self.decoy])

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) -> what the search finds, brought back to the size; secrets play no part."""
        if not len(images):
            return images
        x, found = resize(images, self.net.size), []
        with exactly(images.device):
            for part in x.split(ROWS):
                padded = torch.cat([part, part[-1:].expand(ROWS - len(part), -1, -1, -1)])
                found.append(self._search(padded).detach()[: len(part)])
        return at_size_of(images, torch.cat(found))


@dataclass(frozen=True)
class Adversary:
    """The identity part of every search.

    Args:
        surrogates: differentiable recognisers of the protector's.
        wanted: of each, the decoy's embedding (1, D).
        aim: which of the two terms count.
    """

    surrogates: Sequence[nn.Module]
    wanted: Sequence[Tensor]
    aim: Aim

    @torch.no_grad()
    def own(self, images: Tensor) -> list[Tensor]:
        """(N, D) of each surrogate: what the search is to lead away from."""
        return [f(images) for f in self.surrogates] if self.aim != "impersonate" else []

    def loss(self, images: Tensor, own: Sequence[Tensor]) -> Tensor:
        """(surrogates, N): 1 - cos(f(y), f(decoy)), or -(1 - cos(f(y), f(x))), or their sum."""
        rows = []
        for i, f in enumerate(self.surrogates):
            z = f(images)
            value = torch.zeros_like(z[:, 0])
            if self.aim != "dodge":
                value = value + 1 - F.cosine_similarity(z, self.wanted[i], dim=1)
            if self.aim != "impersonate":
                value = value - 1 + F.cosine_similarity(z, own[i], dim=1)
            rows.append(value)
        return torch.stack(rows)


def descend(
    loss: Callable[[int, Variables], Tensor],
    start: Mapping[str, Tensor],
    steps: int,
    lr: float,
    free: Mapping[str, Tensor] | None = None,
) -> Variables:
    """Adam from ``start``, every picture on its own.

    Args:
        loss: (number of the step, variables) -> (N,), one value per picture.
        start: variables by name, (N, ...) each.
        steps: how many.
        lr: learning rate.
        free: by name, a mask that broadcasts with the variable: 0 where it is frozen.

    Returns:
        The variables after the last step.
    """
    found = {name: value.detach().clone().requires_grad_() for name, value in start.items()}
    optimizer = torch.optim.Adam(list(found.values()), lr)
    masks = free or {}
    with torch.enable_grad():
        for step in range(steps):
            gradients = torch.autograd.grad(loss(step, found).sum(), list(found.values()))
            for (name, value), gradient in zip(found.items(), gradients, strict=True):
                value.grad = gradient * masks[name] if name in masks else gradient
            optimizer.step()
    return {name: value.detach() for name, value in found.items()}


def at_size_of(images: Tensor, found: Tensor) -> Tensor:
    """(N, 3, s, s) brought to the size of (N, 3, H, W) ``images``, in [0, 1]."""
    if found.shape != images.shape:
        found = F.interpolate(found, images.shape[-2:], mode="bilinear", antialias=True)
    return found.clamp(0, 1)


def first_photographs(faces: FaceSet) -> Tensor:
    """(n_identities,) position of each person's first photograph."""
    return torch.from_numpy(np.unique(faces.labels.numpy(), return_index=True)[1])


def check_budgets(owner: str, settings: StyleSettings) -> None:
    """Refuse settings that no search can do with.

    Raises:
        InputError: names the setting: steps, copies and rates must be positive, no number negative.
    """
    for name, value in asdict(settings).items():
        positive = name.endswith(("steps", "copies", "lr"))
        if isinstance(value, int | float) and (value <= 0 if positive else value < 0):
            raise InputError(f"{owner}: {name} must {'be positive' if positive else 'not be negative'}, got {value}.")
