"""PRO-Face S: a picture is published obfuscated, and whoever has the password turns it back into the original.

Yuan et al., "PRO-Face S: Privacy-preserving Reversible Obfuscation of Face Images via Secure Flow", arXiv 2307.09146.
Everybody has the network; the password is the secret. x the original, o its obfuscation, K a map of -1 and 1 made of
the password: an invertible network maps (o, x, K) to (p, z); p, which looks like o, is published and z thrown away.
With K in the place of z the inverse gives r. Losses (authors' code), r' recovered with a wrong K, d a perceptual
distance:
  L_img = 5 d(o, p) + |o - p|
  RandWR (wrong passwords give noise):
    0.3 L_img + 0.5 |r - x| + 0.2 [T_d(x; r, r') + T_1(x; r, r')]
  ObfsWR (wrong passwords give the obfuscation again):
    0.2 L_img + 0.3 (|r - x| + |r' - o|) + 0.5 [T_d(r; x, o) + T_d(r'; o, x)]
with triplets T_d(a; b, c) = max(0, d(a, b) - d(a, c) + 1.2) and T_1 the same of L1 distances along the picture's rows.
Each batch has an obfuscator, a coarseness and keys of its own.
Differs: d is one minus the cosine of embeddings of the protectors' recognisers, averaged, in place of LPIPS-VGG. The
obfuscators are squares, blur, median and the mean face; those of the paper that need networks or drawings of their own
(FaceShifter, SimSwap, stickers) are left out. Smaller network, higher rate, fewer steps. What is published is clipped
and rounded to 8 bits. Key: the authors' code takes all bits of the map from PBKDF2-HMAC-SHA512 of ten rounds with a
constant salt; here the salt is random, drawn at the installation and public, the rounds are 10^5, and they make 512
bits that SHAKE-256 stretches to the map: a guess costs an adversary as much as opening a picture costs the owner.
The secret is a password per picture, 16 random bytes: one password for all pictures, which the authors' code would
allow too, would open all of them to whomever it is given for one. Fidelity: simplified.
The paper's tables could not be read; what its abstract claims is qualitative.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet
from ..bench.core.leaks import Leak
from ..bench.core.levels import rounded
from ..bench.core.likeness import feature_distance
from ..bench.core.nets.inn import SecureFlow
from ..bench.core.obfuscators import blurred, median_filtered, pixelated, with_mean_face
from ..bench.core.precision import exactly
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.seeding import Rng, presentation_ids
from ..bench.core.surfaces import Fidelity, Goal, Secret, Surface
from ..bench.core.training import Batch, TrainSettings, train
from .base import Defense

Obfuscation = Literal["pixelate", "blur", "median", "mean-face"]
OBFUSCATIONS = get_args(Obfuscation)
MARGIN = 1.2  # of the triplets
SPREAD = 0.3  # training draws blocks this share smaller and larger; the authors' code: 14 to 26 pixels around 20
SALT_BYTES = 16


@dataclass(frozen=True)
class ProFaceSettings:
    """Obfuscation, network, training and key."""

    obfuscation: Obfuscation = "pixelate"  # of what is published; trained on all four
    cells: int = 8  # blocks per side; the authors' code: 12.8. Blur 0.75 and median 1.15 of a block, as there
    wrong_key: Literal["random", "obfuscation"] = "random"  # what wrong passwords should give: RandWR or ObfsWR
    blocks: int = 2  # affine couplings; paper: 3
    width: int = 16  # channels that each convolution of a dense block adds; paper: 32
    steps: int = 500  # optimiser steps; paper: up to 50 epochs of CelebA
    batch: int = 6  # pictures per step; paper: 6, of 256 pixels
    lr: float = 1e-3  # peak, AdamW, cosine; paper: 1e-5
    password_bytes: int = 16  # length of a password
    rounds: int = 100_000  # of PBKDF2-HMAC-SHA512, a fifth of a second per picture; the authors' code: 10


@register_defense("pro-face-s")
class ProFaceS(Defense):
    """An obfuscated picture that hides its original from all who lack the password."""

    label = "PRO-Face S"
    protects = Surface.IMAGE
    goal = Goal.LOCK
    secrets = frozenset({Secret.SAMPLE})
    slow = True  # by its key derivation
    uses_surrogates = True
    fidelity = Fidelity.SIMPLIFIED
    paper = "Yuan et al., arXiv 2307.09146 (2023)"
    paper_value = "outperforms earlier reversible obfuscation on three data sets (no figure could be read)"
    paper_source = "PRO-Face S, abstract"
    claims = "The published picture shows no more than its obfuscation, and only the right password opens it."
    Settings = ProFaceSettings
    settings: ProFaceSettings
    salt: Tensor
    mean: Tensor

    def _build(self, context: FitContext) -> None:
        s = self.settings
        least = min(s.cells, s.blocks, s.width, s.steps, s.batch, s.password_bytes, s.rounds)
        if least < 1:
            raise InputError(
                "pro-face-s: cells, blocks, width, steps, batch, password_bytes and rounds must be at least 1, got "
                f"{s}."
            )
        if context.resolution % 2:
            raise InputError(f"pro-face-s: the network halves pictures; resolution {context.resolution} must be even.")
        self.net = SecureFlow(s.blocks, s.width)
        self.register_buffer("mean", torch.zeros(3, context.resolution, context.resolution))
        salt = context.rng.child("salt").bits(torch.zeros(1, dtype=torch.int64), (SALT_BYTES,))[0]
        self.register_buffer("salt", (salt & 255).to(torch.uint8))

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) -> (N, 3, H, W) like ``obfuscate(images)``, in [0, 1], 8 bits a value; H and W even."""
        maps = self.key_maps(self._passwords(secret), *even_sides(images)).to(images.device)

        def published(image: Tensor, of_key: Tensor) -> Tensor:
            covered, _ = self.net(2 * self.obfuscate(image) - 1, 2 * image - 1, of_key)
            return (covered + 1) / 2  # type: ignore[no-any-return]

        return rounded(published, images, maps)

    def make_key(self, images: Tensor, secret: SecretDraw) -> Leak:
        """(N, password_bytes) uint8: the passwords."""
        return self._passwords(secret).to(images.device)

    def recover(self, published: Tensor, key: Leak) -> Tensor:
        """(N, 3, H, W) and (N, password_bytes) uint8 -> (N, 3, H, W) in [0, 1].

        Raises:
            InputError: the key is no password per picture.
        """
        shape = (len(published), self.settings.password_bytes)
        if isinstance(key, dict) or key.shape != shape or key.dtype is not torch.uint8:
            seen = "several tensors" if isinstance(key, dict) else f"{key.dtype} of shape {tuple(key.shape)}"
            raise InputError(f"pro-face-s opens {shape[0]} pictures with uint8 of shape {shape}, and got {seen}.")
        maps = self.key_maps(key, *even_sides(published)).to(published.device)
        return ((self.net.open(2 * published - 1, maps) + 1) / 2).clamp(0, 1)

    def obfuscate(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> what the published pictures should look like: they reveal as much as this does, or more."""
        return self._obfuscated(images, self.settings.obfuscation, 1 / self.settings.cells)

    def key_maps(self, passwords: Tensor, h: int, w: int) -> Tensor:
        """(N, password_bytes) uint8 -> (N, 1, h, w) of -1 and 1."""
        salt = bytes(self.salt.tolist())
        bits = [key_bits(bytes(one), salt, self.settings.rounds, h * w) for one in passwords.tolist()]
        return torch.from_numpy(np.stack(bits) if bits else np.empty((0, h * w))).float().reshape(-1, 1, h, w) * 2 - 1

    def properties(self) -> dict[str, float | str]:
        """``obfuscation`` and ``rounds``."""
        return {"obfuscation": self.settings.obfuscation, "rounds": self.settings.rounds}

    def _passwords(self, secret: SecretDraw) -> Tensor:
        drawn = secret.sample.child("pro-face-s").bits(secret.ids.cpu(), (self.settings.password_bytes,))
        return (drawn & 255).to(torch.uint8)

    def _obfuscated(self, images: Tensor, kind: str, block: float) -> Tensor:
        """``block``: side of a block as a share of the picture's; widths of blur and median go with it."""
        if kind == "pixelate":
            return pixelated(images, max(1, round(1 / block)))
        if kind == "mean-face":
            return with_mean_face(images, self.mean)
        pixels = block * max(images.shape[-2:])
        return blurred(images, 0.75 * pixels) if kind == "blur" else median_filtered(images, odd(1.15 * pixels))

    def _fit(self, context: FitContext) -> None:
        s, faces = self.settings, context.faces("pro-face-s trains a network on pictures")
        surrogates = context.need_surrogates("pro-face-s measures likeness with recognisers of the protector's")
        side, rng = context.resolution, context.rng.child("pro-face-s")
        self.mean.copy_(mean_face(faces, side))

        def distance(a: Tensor, b: Tensor) -> Tensor:
            return feature_distance(surrogates, (a + 1) / 2, (b + 1) / 2)

        objective = random_wrong if s.wrong_key == "random" else obfuscated_wrong

        def loss(batch: Batch) -> Tensor:
            images = faces.resized(batch.index, side).to(context.device)
            cover = 2 * self._obfuscated(images, *self._drawn(rng, batch.step)) - 1
            ids = presentation_ids(faces.ids[batch.index], batch.presentation)
            right, wrong = (rng.child(name).bits(ids, (1, side, side)).to(cover) for name in ("right", "wrong"))
            right, wrong = right.sign(), wrong.sign()  # of 64 bits: never 0
            x = 2 * images - 1
            with exactly(context.device):  # half precision does not invert
                published, _ = self.net(cover, x, right)
                opened = self.net.open(published.repeat(2, 1, 1, 1), torch.cat([right, wrong]))
                return objective(distance, x, cover, published, *opened.chunk(2))

        budget = TrainSettings(s.steps, s.batch, s.lr, schedule="cosine", weight_decay=1e-5, clip=1.0)
        title = "pro-face-s: invertible network"
        self.log = train(self.net, loss, len(faces), budget, rng=rng, progress=context.progress, title=title)

    def _drawn(self, rng: Rng, step: int) -> tuple[str, float]:
        """Obfuscator and block of a training step."""
        u, v = rng.child("obfuscator").uniform(torch.tensor([step]), (2,))[0].tolist()
        return OBFUSCATIONS[int(u * len(OBFUSCATIONS))], (1 + SPREAD * (2 * v - 1)) / self.settings.cells


Distance = Callable[[Tensor, Tensor], Tensor]


def random_wrong(d: Distance, x: Tensor, o: Tensor, p: Tensor, r: Tensor, wrong: Tensor) -> Tensor:
    """The RandWR loss of (N, 3, H, W) pictures in [-1, 1] under a perceptual distance ``d`` -> (N,)."""
    rows = F.triplet_margin_loss(x.flatten(0, 2), r.flatten(0, 2), wrong.flatten(0, 2), margin=MARGIN, p=1)
    return 0.3 * likeness(d, o, p) + 0.5 * (r - x).abs().mean() + 0.2 * (triplet(d, x, r, wrong) + rows)


def obfuscated_wrong(d: Distance, x: Tensor, o: Tensor, p: Tensor, r: Tensor, wrong: Tensor) -> Tensor:
    """The ObfsWR loss; arguments as in ``random_wrong``."""
    pixels = (r - x).abs().mean() + (wrong - o).abs().mean()
    return 0.2 * likeness(d, o, p) + 0.3 * pixels + 0.5 * (triplet(d, r, x, o) + triplet(d, wrong, o, x))


def likeness(d: Distance, o: Tensor, p: Tensor) -> Tensor:
    """L_img."""
    return 5 * d(o, p).mean() + (o - p).abs().mean()


def triplet(d: Distance, a: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """T_d: ``a`` should be nearer to ``near`` than to ``far`` by the margin."""
    return (d(a, near) - d(a, far) + MARGIN).clamp(min=0).mean()


@functools.lru_cache(maxsize=8192)  # publishing and opening ask for the same
def password_seed(password: bytes, salt: bytes, rounds: int) -> bytes:
    """64 bytes of PBKDF2-HMAC-SHA512: one block, so that a guess costs an adversary what it costs the owner."""
    return hashlib.pbkdf2_hmac("sha512", password, salt, rounds, 64)


def key_bits(password: bytes, salt: bytes, rounds: int, count: int) -> np.ndarray:
    """(count,) uint8 of 0 and 1: SHAKE-256 of the password's seed."""
    stream = hashlib.shake_256(password_seed(password, salt, rounds)).digest((count + 7) // 8)
    return np.unpackbits(np.frombuffer(stream, np.uint8), count=count)


def mean_face(faces: FaceSet, side: int) -> Tensor:
    """(3, side, side) the mean of all pictures."""
    parts = torch.arange(len(faces)).split(512)
    return sum((faces.resized(part, side).sum(0) for part in parts), torch.zeros(3, side, side)) / len(faces)


def odd(pixels: float) -> int:
    """The odd number next to ``pixels``."""
    return 2 * int(pixels / 2) + 1


def even_sides(images: Tensor) -> tuple[int, int]:
    """H and W of (N, 3, H, W).

    Raises:
        InputError: one of them is odd.
    """
    h, w = images.shape[-2:]
    if h % 2 or w % 2:
        raise InputError(f"pro-face-s halves pictures: both sides must be even, got {h} x {w}; cut or resize them.")
    return h, w
