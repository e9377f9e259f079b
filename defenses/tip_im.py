"""TIP-IM: an invisible mask that makes a published photograph pass for one of several decoys.

Yang et al., "Towards Face Encryption by Generating Adversarial Identity Masks", ICCV 2021, arXiv 2003.06814. Threat: an
unknown service identifies posted photographs; who posts has recognisers of their own (surrogates), a photograph of each
of k decoys, and no access to the service. D is the squared distance of unit embeddings, x the photograph, t a decoy:
  eq. 2-4   min over x' with |x' - x|_inf <= epsilon:  D(x', t) - D(x', x) + gamma MMD(x', x);
  eq. 5     x' <- clip(x' - alpha sign(m)), alpha = 1.5 epsilon / T, m the momentum of gradients over their mean
            absolute value, inputs warped a little at every step;
  alg. 1    at every step one candidate per decoy; kept is the one with the largest gain
            log(1 + max_t exp(D(x', x) - D(x', t))), for each picture on its own.
MMD with the released mixture of 19 Gaussian kernels on pixels of 0..255.
Differs from the paper: the MMD is that of one picture, not of a batch (a picture's mask must not depend on which others
are published beside it), which is the batch of 1 that the released code defaults to, and gamma is 0 as there; several
surrogates share the loss; the warp is the same for all pictures of a step; fewer steps and decoys by default. Fidelity:
simplified.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.seeding import Rng
from ..bench.core.surfaces import Fidelity, Goal, Surface
from .base import Defense

# Bandwidths sigma^2 of the released kernels, in squared 8-bit steps summed over a picture.
BANDWIDTHS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 5, 10, 15, 20, 25, 30, 35, 100, 1e3, 1e4, 1e5, 1e6)


@dataclass(frozen=True)
class TipImSettings:
    """Budget of the mask."""

    epsilon: float = 12 / 255  # largest change of a pixel, section 4.1 of the paper
    steps: int = 20  # T; 50 in the paper
    targets: int = 5  # k decoys; 10 in the paper
    gamma: float = 0.0  # weight of the MMD; the paper's tables go from 0 to 3
    momentum: float = 1.0  # released code
    warp: float = 0.1  # largest deviation of the affine map and of the rotation (radian), released code


@register_defense("tip-im")
class TipIm(Defense):
    """Photograph -> the same with a mask that recognisers take for somebody else."""

    protects = Surface.IMAGE
    goal = Goal.CLOAK
    slow = True
    uses_surrogates = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "Yang et al., ICCV 2021, arXiv 2003.06814"
    paper_value = "Rank-1-UT 97.4 % white box, 70.4 to 85.2 % black box (LFW, ArcFace surrogate)"
    paper_source = "Table 4"
    claims = "Unknown recognisers do not find who posted the photograph, which looks as before."
    Settings = TipImSettings
    settings: TipImSettings
    labels: Tensor
    surrogates: tuple[nn.Module, ...]
    towards: list[Tensor]

    def _build(self, context: FitContext) -> None:
        s = self.settings
        if not 0 < s.epsilon < 1 or s.steps < 1 or s.targets < 1:
            raise InputError(f"tip-im: epsilon must lie in (0, 1), steps and targets be at least 1, got {s}.")
        surrogates = context.need_surrogates("tip-im searches masks with recognisers of the protector's own")
        object.__setattr__(self, "surrogates", surrogates)
        faces = context.faces("tip-im passes pictures off as other people", s.targets)
        order = torch.randperm(faces.n_identities, generator=context.rng.child("decoys").torch())
        self.register_buffer("labels", order[: s.targets].sort().values)
        first = torch.stack([torch.nonzero(faces.labels == label)[0, 0] for label in self.labels])
        images = faces.images(first).to(context.device)
        with torch.no_grad():
            towards = [F.normalize(one(images), dim=1) for one in surrogates]
        object.__setattr__(self, "towards", towards)

    def decoys(self) -> Tensor:
        """(k,) labels in the train split."""
        return self.labels

    def properties(self) -> dict[str, float | str]:
        """The largest change of a pixel."""
        return {"epsilon": self.settings.epsilon}

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) in [0, 1], no pixel further than epsilon from the original."""
        # One by one: the sign turns the rounding of another batch into another picture.
        return torch.cat([self._masked(image) for image in images.split(1)])

    def _masked(self, image: Tensor) -> Tensor:
        """(1, 3, H, W), one picture."""
        s = self.settings
        with torch.no_grad():
            own = [F.normalize(one(image), dim=1) for one in self.surrogates]
        low, high = (image - s.epsilon).clamp(min=0), (image + s.epsilon).clamp(max=1)
        x, momentum = image, torch.zeros_like(image)
        for step in range(s.steps):
            gradient = self._gradients(x, image, own, step)
            steps = s.momentum * momentum + gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-12)
            candidates = torch.minimum(torch.maximum(x - 1.5 * s.epsilon / s.steps * steps.sign(), low), high)
            best = self._gain(candidates, own).argmax()
            x, momentum = candidates[best, None], steps[best, None]
        return x

    @torch.enable_grad()
    def _gradients(self, x: Tensor, image: Tensor, own: Sequence[Tensor], step: int) -> Tensor:
        """(k, 3, H, W): of eq. 4 towards each decoy."""
        x = x.detach().requires_grad_()
        seen = self._warped(x, step)
        losses = torch.zeros(self.settings.targets, device=x.device)
        for one, z, towards in zip(self.surrogates, own, self.towards):
            e = F.normalize(one(seen), dim=1)
            losses = losses + (squared(e, towards) - squared(e, z)) / len(self.surrogates)
        if self.settings.gamma:
            losses = losses + self.settings.gamma * mmd(x, image)
        return torch.cat([torch.autograd.grad(loss, x, retain_graph=True)[0] for loss in losses])

    @torch.no_grad()
    def _gain(self, candidates: Tensor, own: Sequence[Tensor]) -> Tensor:
        """(k,) eq. 6 of (k, 3, H, W) candidates."""
        far = torch.zeros(len(candidates), self.settings.targets, device=candidates.device)
        for one, z, towards in zip(self.surrogates, own, self.towards):
            e = F.normalize(one(candidates), dim=1)
            far = far + (squared(e, z)[:, None] - squared(e[:, None], towards[None])) / len(self.surrogates)
        return far.amax(1).exp().log1p()

    def _warped(self, x: Tensor, step: int) -> Tensor:
        """A random affine map and rotation, the same for all pictures of a step; 0 where nothing was."""
        u = Rng(0, "tip-im", "warp").normal(torch.tensor([step]), (9,))[0].to(x)
        spread = Rng(0, "tip-im", "spread").uniform(torch.tensor([step]), (2,))[0].to(x)
        first, second = (0.01 + (self.settings.warp - 0.01) * spread).clamp(min=0).tolist()
        theta = float(u[6]) * second
        rotation = x.new_tensor([[math.cos(theta), -math.sin(theta), 0.0], [math.sin(theta), math.cos(theta), 0.0]])
        for matrix in (torch.eye(2, 3).to(x) + first * u[:6].reshape(2, 3), rotation):
            grid = F.affine_grid(matrix.expand(len(x), 2, 3), list(x.shape), align_corners=False)
            x = F.grid_sample(x, grid, align_corners=False)
        return x


def squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distance along the last axis, the paper's D."""
    return (a - b).square().sum(-1)


def mmd(x: Tensor, y: Tensor) -> Tensor:
    """(N,) biased squared MMD of two batches of one picture each, mixture of ``BANDWIDTHS``, pixels of 0..255.

    Args:
        x: (N, 3, H, W) in [0, 1].
        y: of the same shape.
    """
    distance = (255 * (x - y)).square().flatten(1).sum(1)
    kernel = torch.stack([torch.exp(-distance / (2 * width)) for width in BANDWIDTHS]).sum(0)
    return 2 * len(BANDWIDTHS) - 2 * kernel
