"""A StyleGAN2 or StyleGAN3 of the user's as the generative prior, behind the interface of the small autoencoder.

A latent u stands for w = w_avg + spread u, with ``spread`` the standard deviation of each coordinate of w: like the
autoencoder's, latents have about unit variance, and the searches and their bounds need not know whose they are. All
layers read the same w (the space W, not W+).
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..core.context import AttackContext, Weights, as_kept
from ..core.errors import InputError
from ..core.faces import resize
from ..core.nets.resnet import SMALL, ResNet
from ..core.nets.stylegan2 import StyleGan2
from ..core.nets.stylegan3 import StyleGan3
from ..core.seeding import Rng
from ..core.training import Batch, TrainSettings, train
from ..core.weights import load_strictly, open_weights, read_state
from .network_pickle import read_network_pickle

Box: TypeAlias = tuple[float, float, float, float]
Generator: TypeAlias = StyleGan2 | StyleGan3

_COUNTED = 4096  # samples that the spread of w is measured on


class StylePrior(nn.Module):
    """Latent -> picture by a style-based generator, and back by an encoder that may be trained beside it.

    Args:
        generator: with its weights.
        size: side of the pictures it hands out, pixels.
        box: left, top, right and bottom of what is kept of the generator's picture, as shares of its side: its faces
            and those of the recognisers need not be framed alike.

    Raises:
        InputError: the box is empty or leaves the picture.
    """

    spread: Tensor

    def __init__(self, generator: Generator, size: int, box: Box) -> None:
        super().__init__()
        left, top, right, bottom = (round(share * generator.side) for share in box)
        if not (0 <= left < right <= generator.side and 0 <= top < bottom <= generator.side):
            raise InputError(
                f"prior_box is left, top, right and bottom, shares of the side with left < right and top < bottom; got "
                f"{box} for {generator.side} pixels."
            )
        self.size, self.dim, self.noise_dim = size, generator.dim, generator.z_dim
        self.rows, self.columns = slice(top, bottom), slice(left, right)
        self.generator = generator
        self.encoder = ResNet(dim=generator.dim, widths=SMALL)
        with torch.no_grad():
            w = generator.mapping(Rng(0, "spread").normal(torch.arange(_COUNTED), (generator.z_dim,)))
        self.register_buffer("spread", (w - generator.mapping.w_avg).square().mean(0).sqrt().clamp(min=1e-6))

    def forward(self, u: Tensor) -> Tensor:
        """(N, dim) latents -> (N, 3, size, size) in [0, 1]."""
        image = self.generator.synthesis(self.generator.mapping.w_avg + self.spread * u)
        return resize(((image + 1) / 2).clamp(0, 1)[:, :, self.rows, self.columns], self.size)

    def latents(self, noise: Tensor) -> Tensor:
        """(N, noise_dim) standard normal -> (N, dim), as faces have them."""
        return (self.generator.mapping(noise) - self.generator.mapping.w_avg) / self.spread

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, size, size) in [0, 1] -> latent and log variance, (N, dim) each; the latter is 0: it is not learnt."""
        mean = self.encoder(2 * images - 1)
        return mean, torch.zeros_like(mean)


def style_prior(context: AttackContext, path: str, box: Box, budget: TrainSettings | None) -> StylePrior:
    """The generator in the file at ``path``, frozen.

    Args:
        context: of an attack; nothing of the attacked system is used.
        path: a state dict as safetensors, .pt or .pth, or a network pickle of the releases (.pkl), out of which only
            tensors are taken; ${VARIABLES} and ~ are replaced.
        box: as in ``StylePrior``.
        budget: of the encoder, learnt from the generator's own samples by mean (encode(G(u)) - u)^2; None: the caller
            never encodes, and it stays untrained.

    Raises:
        InputError: no such file, a pickle of something else, or weights of another network.
    """
    file, digest = open_weights(path, "", "prior")
    state = (read_network_pickle if file.suffix == ".pkl" else read_state)(file, "prior")
    rng = Rng(context.rng.seed, "style prior")
    with rng.child("weights").seeds_torch():
        # Waves are what StyleGAN3 begins with, and no other generator.
        generator = StyleGan3(state) if "synthesis.input.freqs" in state else StyleGan2(state)
        load_strictly(generator, state, "", f"prior: {file.name}")
        prior = StylePrior(generator, context.resolution, box).to(context.device)
    prior.eval().requires_grad_(False)
    if budget is not None:
        _learn_to_encode(prior, context, budget, rng, {"file": digest, "box": box, "budget": budget})
    return prior


def _learn_to_encode(
    prior: StylePrior, context: AttackContext, budget: TrainSettings, rng: Rng, spec: dict[str, object]
) -> None:
    def loss(batch: Batch) -> Tensor:
        noise = rng.normal(batch.index + batch.step * budget.batch, (prior.noise_dim,)).to(context.device)
        with torch.no_grad():
            u = prior.latents(noise)
            images = prior(u)
        return (prior.encode(images)[0] - u).square().mean()

    def make() -> Weights:
        prior.encoder.requires_grad_(True)
        train(prior.encoder, loss, budget.batch, budget, rng=rng, progress=context.progress, title="encoder of a prior")
        return prior.encoder.state_dict()

    as_kept(prior.encoder, context.keep("encoder of a prior", spec, make))
