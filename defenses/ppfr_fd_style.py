"""PPFR-FD-style: few frequency channels, those that recognition needs and the eye does not, shuffled and mixed.

After Wang et al., "Privacy-Preserving Face Recognition in the Frequency Domain", AAAI 2022. Neither the paper's body
nor code was available: this is a re-implementation, simplified, from the abstract and from what later papers say of it
(PartialFace, ICCV 2023; MinusFace, CVPR 2024), hence "style". Known: channels of the block DCT, no mean (DC), 36 per
plane kept by an analysis network trained with a recognition loss and a penalty on what is visible; more than 94 % of
the picture's energy dropped; then fast masking without a key, by shuffling and mixing channels. 108 channels travel.
Here:
  choice    one gate per channel, g_k = 1[p_k noisy > 1/2] by the straight-through Gumbel-sigmoid (Jang et al., ICLR
            2017), p = sigmoid(a). Loss = recognition(g * x) + penalty * sum_k p_k E_k / sum_k E_k, with E_k the mean
            absolute coefficient of channel k over the training faces. The 36 likeliest gates of each plane are then
            fixed, and the analysis network is thrown away.
  masking   the 108 channels in random order; each becomes the average of itself and the next one, the last with the
            first; each is brought to mean 0 and deviation 1 over the picture; random order again. Both orders are drawn
            afresh for every presentation and told to nobody, the server included.
Server of `defenses/wire.py`, on the shuffled channels: since it cannot know the order, its first layer treats all
channels alike (``Unordered``); a plain convolution from scratch was seen to learn nothing in a small budget. Fidelity:
simplified.
The paper's own figures: LFW 99.68 %, CFP-FP 95.04 %; recovery by the U-Net of PartialFace SSIM .713, PSNR 15.66.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.faces import resize
from ..bench.core.nets.adapted import Adapted
from ..bench.core.nets.bdct import CHANNELS, PER_PLANE, bdct
from ..bench.core.nets.brisk import Brisk
from ..bench.core.nets.standardize import Standardize
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Fidelity, Secret
from .dctdp import AC
from .wire import WireDefense
from .wire_settings import WireSettings

KEPT = 36  # channels per plane that travel
FLAT = 1e-3  # deviation below which a channel is constant: rounding, on the scale of 8-bit pixels


@dataclass(frozen=True)
class PPFRFDSettings(WireSettings):
    """How the channels are chosen. No values of the paper are known."""

    gate_steps: int = 100  # optimiser steps of the analysis network
    gate_lr: float = 0.05  # rate of the gates' logits, same schedule as the network's
    penalty: float = 1.0  # weight of the visible energy kept, which lies in [0, 1]
    temperature: float = 0.5  # of the Gumbel-sigmoid


@register_defense("ppfr-fd-style")
class PPFRFDStyle(WireDefense):
    """108 chosen frequency channels, shuffled, mixed, normalised, shuffled."""

    label = "PPFR-FD-style"
    secrets = frozenset({Secret.SAMPLE})
    channels = 3 * KEPT
    fidelity = Fidelity.SIMPLIFIED
    paper = "after Wang et al., AAAI 2022 (re-implementation, simplified)"
    paper_value = "LFW 99.68 %; recovery SSIM .713, PSNR 15.66 dB"
    paper_source = "as quoted by PartialFace, tables 1 and 3"
    claims = "What is sent shows no face and cannot be recovered, without any key."
    Settings = PPFRFDSettings
    settings: PPFRFDSettings
    chosen: Tensor
    energy: Tensor

    def _build_client(self, context: FitContext) -> None:
        s = self.settings
        if s.gate_steps < 1 or s.gate_lr <= 0 or s.penalty < 0 or s.temperature <= 0:
            raise InputError(
                "ppfr-fd-style: gate_steps, gate_lr and temperature must be positive and penalty >= 0, got "
                f"{s.gate_steps}, {s.gate_lr}, {s.temperature} and {s.penalty}."
            )
        self.register_buffer("chosen", torch.zeros(3 * KEPT, dtype=torch.int64))
        self.register_buffer("energy", torch.zeros(CHANNELS))

    def _build_server(self, channels: int, context: FitContext, shrink: int = 1) -> nn.Module:
        return Unordered(super()._build_server(Unordered.FEATURES, context, 2 * shrink))

    def _fit_client(self, context: FitContext) -> None:
        """Gates and analysis network together, then 36 channels of each plane for good."""
        faces, s = self.training_faces(context), self.settings
        some = context.some("energy", 128)
        pictures = faces.resized(some, s.side).to(context.device)
        seen = torch.cat([bdct(pictures[part]) for part in torch.arange(len(some)).split(32)])
        self.energy.copy_(seen.abs().mean((0, 2, 3)))
        standardize = Standardize(seen[:2, AC]).to(context.device)
        standardize.fit(seen[:, AC])
        net = super()._build_server(len(AC), context).to(context.device)
        if isinstance(net, Adapted):
            net.aim(standardize(seen[:64, AC]), pictures[:64])
        gates = Brisk((len(AC),), s.gate_lr / s.server_lr).to(context.device)
        weight = self.energy[list(AC)] / self.energy[list(AC)].sum()

        def see(x: Tensor, secret: SecretDraw) -> Tensor:
            u = secret.sample.child("gates").uniform(secret.ids, (len(AC),)).to(x.device)
            soft = torch.sigmoid((gates() + torch.logit(u)) / s.temperature)
            gate = (soft > 0.5).float() + soft - soft.detach()
            return net(standardize(bdct(x)[:, AC]) * gate[:, :, None, None])  # type: ignore[no-any-return]

        def visible() -> Tensor:
            return s.penalty * (torch.sigmoid(gates()) * weight).sum()

        rng = context.rng.child("gates")
        self.client_log = self.learn_faces(see, [net, gates], s.gate_steps, context, rng, "channels", visible)
        best = gates().detach().reshape(3, -1).topk(KEPT).indices.sort().values  # (3, 36) places among the 63
        planes = PER_PLANE * torch.arange(3, device=best.device)
        self.chosen.copy_((best + 1 + planes[:, None]).flatten())

    def encode(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, side, side) -> (N, 108, side, side), each channel of mean 0 and deviation 1."""
        if not self.chosen.any():
            raise InputError("ppfr-fd-style: no channels were chosen yet; call fit(context) with a train split first.")
        orders = secret.sample.child("ppfr-fd-style")
        return masked(bdct(images)[:, self.chosen], *(orders.child(k).permutation(secret.ids, 3 * KEPT) for k in "ab"))

    def properties(self) -> dict[str, float | str]:
        """``energy_dropped``, the share of the mean absolute coefficient that does not travel; paper: > 0.94."""
        return super().properties() | {"energy_dropped": float(1 - self.energy[self.chosen].sum() / self.energy.sum())}


def masked(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """(N, C, H, W) -> the same shape: order ``first`` (N, C), neighbours averaged, normalised, order ``second``."""
    rows = torch.arange(len(x), device=x.device)[:, None]
    x = x[rows, first.to(x.device)]
    x = (x + x.roll(-1, 1)) / 2
    x = x - x.mean((2, 3), keepdim=True)
    spread = x.square().mean((2, 3), keepdim=True).sqrt()
    x = torch.where(spread > FLAT, x / spread.clamp(min=FLAT), 0.0)
    return x[rows, second.to(x.device)]


class Unordered(nn.Module):
    """A server for channels in unknown order: the same small convolution on each, averaged, then a recogniser.

    Averages over channels after a non-linearity do not depend on their order (Zaheer et al., "Deep Sets", 2017).

    Args:
        recognizer: (N, FEATURES, h / 2, w / 2) -> (N, D).
    """

    FEATURES = 8

    def __init__(self, recognizer: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, self.FEATURES, 3, 2, 1), nn.PReLU(self.FEATURES))
        self.recognizer = recognizer

    def forward(self, x: Tensor) -> Tensor:
        return self.recognizer(self.average(x))  # type: ignore[no-any-return]

    def average(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, FEATURES, h / 2, w / 2)."""
        n, c, h, w = x.shape
        y: Tensor = self.features(x.reshape(n * c, 1, h, w))
        return y.reshape(n, c, *y.shape[1:]).mean(1)

    def aim(self, x: Tensor, images: Tensor) -> None:
        """As ``Adapted.aim``, where the recogniser is such a copy."""
        if isinstance(self.recognizer, Adapted):
            with torch.no_grad():
                y = self.average(x)
            self.recognizer.aim(y, resize(images, y.shape[-1]))
