"""Surrogate inversion: from a leak to the adversary's own space, and from there to a picture by gradients.

Black box: nothing is asked of the attacked system but the leaks of public faces. ``identity-extraction`` says where in
the surrogate's space the leak lies; the picture is then searched for whose embedding lies there, under transformations
drawn anew for every step (expectation over transformation, Athalye et al., ICML 2018), without which the search finds
what convinces one network only:
    argmin_c 1 - mean_v cos(g(v(mean + B diag(spread) c)), w) + weight_prior mean c^2
with g the surrogate, w the estimate, v a shift, mirror, scale, blur and noise, and B the first principal components of
the public faces: inside them whatever is found stays a face, and transfers. It begins at the ridge regression of the
public pictures on their embeddings, and hands that in for whom the search came no closer. ``pixel_steps`` more steps
then work on the pixels themselves, held by the total variation.
Amortised, ``network_steps`` > 0: a network adds to the ridge's c what makes the same objective small, learnt on the
embeddings of public faces and of mixtures of two, which need no picture. It knows no defence, so one serves all systems
of a track; with ``steps`` = 0 it draws in one pass, else the search begins where it ends. ``weight_structure`` asks it
to be like the public pictures themselves, too (1 - SSIM), and ``begin = "leak"`` begins at the ridge regression of the
leak, which may tell of a photograph what the surrogate's space does not (light, where the face looks).
After Mahendran and Vedaldi, CVPR 2015, and Zhmoginov and Sandler, arXiv 1606.04189, who have the attacked network's
gradients. Fidelity: simplified.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ..bench.core.context import AttackContext, Weights, as_kept
from ..bench.core.errors import InputError, NotApplicable
from ..bench.core.leaks import Leak
from ..bench.core.nets.latent_noise import ROWS, padded
from ..bench.core.nets.mlp import ResidualMlp
from ..bench.core.nets.ssim import ssim_map
from ..bench.core.recovery import Recovery
from ..bench.core.registry import register_attack
from ..bench.core.seeding import Rng
from ..bench.core.training import Batch, TrainSettings, train
from .identity_extraction import IdentityExtraction, IdentityExtractionSettings
from .linear_ridge import ridge_to_pictures
from .pixel_inversion import variation

_NETWORK = (  # settings that the network is made from
    "components", "faces", "weight_prior", "shift", "scale", "mirror", "noise", "network_steps", "network_batch",
    "network_lr", "network_width", "weight_structure",
)  # fmt: skip


@dataclass(frozen=True)
class SurrogateInversionSettings(IdentityExtractionSettings):
    """Budget and weights of the search; the rest is the map's."""

    steps: Annotated[int, Field(ge=0)] = 80  # gradient steps per victim inside the components
    lr: float = 0.2  # Adam's peak, in standard deviations of a component
    components: int = 600  # principal components of the public faces
    weight_prior: float = 0.02  # of the mean square of the components, in their standard deviations
    pixel_steps: Annotated[int, Field(ge=0)] = 0  # further steps on the pixels
    pixel_lr: float = 0.01  # Adam's peak, on pixels
    weight_tv: float = 0.2  # of the total variation, in the steps on pixels
    shift: float = 2.0  # pixels of 64, at most
    scale: float = 0.06  # relative, at most
    mirror: float = 0.5  # chance of a mirror image, [0, 1]
    noise: float = 0.02  # standard deviation, of pixels in [0, 1]
    faces: int = 4096  # public pictures that the components are taken from, at most
    network_steps: Annotated[int, Field(ge=0)] = 0  # training of the network that draws in one pass; 0: none
    network_batch: Annotated[int, Field(ge=1)] = 32  # embeddings per step
    network_lr: Annotated[float, Field(gt=0)] = 2e-3  # peak learning rate
    network_width: Annotated[int, Field(ge=1)] = 1024  # hidden units
    weight_structure: Annotated[float, Field(ge=0)] = 0.0  # of 1 - SSIM to the public picture, in its training
    begin: Literal["surrogate", "leak"] = "surrogate"  # whose ridge regression: of the estimate, or of a vector leaked


@register_attack("surrogate-inversion")
class SurrogateInversion(IdentityExtraction):
    """Leak -> embedding in the surrogate's space -> picture by the surrogate's gradients."""

    recovers = frozenset({"image"})
    paper = "after Zhmoginov and Sandler, arXiv 1606.04189"
    paper_value = ""
    paper_source = ""
    Settings = SurrogateInversionSettings
    settings: SurrogateInversionSettings
    line_weight: Tensor  # (K, k) from the leak to components; empty where it begins at the estimate
    line_offset: Tensor
    batch = 64

    def _build(self, context: AttackContext) -> None:
        s = self.settings
        if context.surrogate is None or not getattr(context.surrogate, "differentiable", False):
            raise NotApplicable(
                f"{self.name} follows the gradients of the adversary's own recogniser; name a surrogate that has them."
            )
        if min(s.steps, s.pixel_steps, s.weight_prior, s.weight_tv, s.shift, s.scale, s.noise) < 0:
            raise InputError(f"{self.name}: steps, weights and sizes of the transformations must not be negative.")
        if s.lr <= 0 or s.pixel_lr <= 0 or s.components < 1 or s.faces < 2 or not 0 <= s.mirror <= 1:
            raise InputError(
                f"{self.name}: lr, pixel_lr and components must be positive, faces at least 2, mirror in [0, 1]."
            )
        super()._build(context)
        # Not in the state of every fit: they depend on the public faces and the surrogate alone, and are kept once.
        spec = {"components": s.components, "faces": s.faces}
        face = context.keep("eigenfaces and their ridge", spec, lambda: self._face(context))
        face = {name: value.to(context.device) for name, value in face.items()}
        self.face = face | {"scaled": face["basis"] * face["spread"]}  # (P, k)
        self.network = self._network(context) if s.network_steps else None
        of_leak = s.begin == "leak" and not self.standardize.is_map
        shape = (self.standardize.shape[0], self.face["basis"].shape[1]) if of_leak else (0, 0)
        self.register_buffer("line_weight", torch.zeros(shape, device=context.device))
        self.register_buffer("line_offset", torch.zeros(shape[1], device=context.device))

    def _face(self, context: AttackContext) -> Weights:
        """Mean (P,), components (P, k) times their spread, and the ridge regression from the surrogate's space."""
        assert context.surrogate_embeddings is not None
        count = min(self.settings.faces, len(context.public))
        x = context.public.resized(torch.arange(count), context.resolution)
        x = torch.cat([x, x.flip(-1)]).flatten(1)  # (2 n, P)
        mean = x.mean(0)
        with torch.random.fork_rng():  # the randomised decomposition must not depend on global state
            torch.manual_seed(0)
            _, spread, basis = torch.svd_lowrank(x - mean, q=min(self.settings.components, count - 1), niter=2)
        weight, offset = ridge_to_pictures(context.surrogate_embeddings(), context)
        spread = (spread / len(x) ** 0.5).clamp(min=1e-6)
        return {"mean": mean, "basis": basis.contiguous(), "spread": spread, "weight": weight, "offset": offset}

    def _network(self, context: AttackContext) -> ResidualMlp:
        """(N, D) embeddings in the surrogate's space -> (N, k) what the search would add to the ridge's components."""
        assert context.surrogate_embeddings is not None
        known, s = context.surrogate_embeddings(), self.settings
        rng, net = Rng(context.rng.seed, "surrogate network"), self._silent(known.shape[1], context)

        def make() -> Weights:
            views = rng.child("views").torch()

            def loss(batch: Batch) -> Tensor:
                w, whole = self._mixed(known[batch.index], known, views)
                w = w.to(context.device)
                c = self._begin_at(w) + net(w)
                drawn = self._drawn(c)
                z = context.surrogate(self._seen(drawn, views))  # type: ignore[misc]
                wrong = (1 - F.cosine_similarity(z, w, dim=1) + s.weight_prior * c.square().mean(1)).mean()
                if not s.weight_structure or not bool(whole.any()):
                    return wrong
                real = context.public.resized(batch.index[whole], context.resolution).to(drawn)
                return wrong + s.weight_structure * (1 - ssim_map(drawn[whole], real).mean())

            budget = TrainSettings(s.network_steps, s.network_batch, s.network_lr, weight_decay=1e-3)
            train(net, loss, len(known), budget, rng=rng, progress=context.progress, title="search in one pass")
            return net.state_dict()

        spec = {name: getattr(s, name) for name in _NETWORK}
        as_kept(net, context.keep("surrogate network", spec, make))
        return net.eval().requires_grad_(False)

    def _silent(self, dim: int, context: AttackContext) -> ResidualMlp:
        """A network that adds nothing yet."""
        with Rng(context.rng.seed, "surrogate network").child("weights").seeds_torch():
            net = ResidualMlp(dim, self.face["basis"].shape[1], self.settings.network_width)
        torch.nn.init.zeros_(net.skip.weight)
        torch.nn.init.zeros_(net.skip.bias)
        return net.to(context.device)

    @staticmethod
    def _mixed(w: Tensor, known: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, D) unit norm: every second one, by chance, is moved towards another person's; (B,) which are not."""
        mate = known[torch.randint(len(known), (len(w),), generator=generator)]
        share = torch.rand(len(w), 1, generator=generator)
        moved = torch.rand(len(w), 1, generator=generator) < 0.5
        return F.normalize(torch.where(moved, share * w + (1 - share) * mate, w), dim=1), ~moved[:, 0]

    def _fit(self, context: AttackContext) -> None:
        super()._fit(context)
        if self.settings.begin == "surrogate" or self.standardize.is_map:
            return
        weight, offset = (side.to(context.device) for side in ridge_to_pictures(self._vectors(context), context))
        self.line_weight.copy_(self._components(weight + self.face["mean"]))  # (K, k)
        self.line_offset.copy_(self._components(offset))

    @torch.no_grad()
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        wanted = self._embed(leak, context)
        begun = self._begin_at(wanted)
        if self.line_weight.numel():
            begun = torch.addmm(self.line_offset, self.inputs(leak), self.line_weight)
        found = [
            self._search(padded(wanted[i : i + ROWS]), padded(begun[i : i + ROWS]), context)[: len(wanted) - i]
            for i in range(0, len(wanted), ROWS)
        ]  # fmt: skip
        return Recovery(torch.cat(found))

    def _search(self, wanted: Tensor, c: Tensor, context: AttackContext) -> Tensor:
        """(``ROWS``, D) and (``ROWS``, k), where it begins -> pictures.

        Always so many rows, since kernels round differently for other batch sizes.
        """
        assert context.surrogate is not None
        s = self.settings

        def beyond(c: Tensor) -> Tensor:
            return s.weight_prior * c.square().mean(1)

        generator, first = context.rng.child("views").torch(), self._drawn(c)
        c = c if self.network is None else c + self.network(wanted)
        x = self._drawn(self._descend(c, s.steps, s.lr, self._drawn, beyond, wanted, context, generator))
        rough = lambda x: s.weight_tv * variation(x)  # noqa: E731
        within = lambda x: x.clamp(0, 1)  # noqa: E731
        x = within(self._descend(x, s.pixel_steps, s.pixel_lr, within, rough, wanted, context, generator))
        own = context.surrogate.embed
        near, near_first = (F.cosine_similarity(own(y), wanted, dim=1) for y in (x, first))  # type: ignore[operator]
        return torch.where((near > near_first)[:, None, None, None], x, first)

    def _begin_at(self, wanted: Tensor) -> Tensor:
        """(n, D) -> (n, k): the ridge's picture, by its components in standard deviations."""
        return self._components(torch.addmm(self.face["offset"], wanted, self.face["weight"]))

    def _components(self, pictures: Tensor) -> Tensor:
        """(n, P) or (P,) -> (n, k) or (k,), in standard deviations."""
        return (pictures - self.face["mean"]) @ self.face["basis"] / self.face["spread"]

    def _drawn(self, c: Tensor) -> Tensor:
        """(n, k) components -> (n, 3, s, s)."""
        side = math.isqrt(len(self.face["mean"]) // 3)
        y = torch.addmm(self.face["mean"], c, self.face["scaled"].T)
        return y.reshape(-1, 3, side, side).clamp(0, 1)

    def _descend(
        self, x: Tensor, steps: int, lr: float, drawn: Callable[[Tensor], Tensor], penalty: Callable[[Tensor], Tensor],
        wanted: Tensor, context: AttackContext, generator: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """``steps`` of Adam on ``x`` under a cosine schedule."""
        assert context.surrogate is not None
        x = x.detach().clone().requires_grad_()
        optimizer = torch.optim.Adam([x], lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps), eta_min=0.05 * lr)
        with torch.enable_grad():
            for _ in range(steps):
                z = context.surrogate(self._seen(drawn(x), generator))
                value = 1 - F.cosine_similarity(z, wanted, dim=1) + penalty(x)
                (x.grad,) = torch.autograd.grad(value.sum(), x)
                optimizer.step()
                schedule.step()
        return x.detach()

    def _seen(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """One transformation for all rows, so that a victim's picture does not depend on who else leaked."""
        s, u = self.settings, 2 * torch.rand(5, generator=generator) - 1  # (-1, 1)
        size = 1 + s.scale * float(u[0])
        mirror = -size if u[1] < 2 * s.mirror - 1 else size
        shift = 2 * s.shift / 64 * u[2:4]
        matrix = torch.tensor([[mirror, 0.0, float(shift[0])], [0.0, size, float(shift[1])]]).to(x)
        grid = F.affine_grid(matrix.expand(len(x), 2, 3), list(x.shape), align_corners=False)
        x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        blur = float(u[4].abs()) / 2
        x = (1 - blur) * x + blur * F.avg_pool2d(F.pad(x, (1,) * 4, mode="replicate"), 3, 1)
        noise = torch.randn(x.shape[1:], generator=generator).to(x.device)
        return (x + s.noise * noise).clamp(0, 1)
