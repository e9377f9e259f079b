"""Privacy-preserving optics: a lens that is learnt so that its sensor never sees the person, only the face's geometry.

Lopez, Hinojosa, Arguello, Ghanem, "Privacy-preserving Optics for Enhancing Protection in Face De-identification",
CVPR 2024 (arXiv 2404.00777). Who sees what: the adversary reads the camera's sensor before any software runs
("sniffing"), which is what is published here; downstream, a face of a public reference person with the geometry of the
capture is what is sent on.
Stage 1, lens and heat maps together (the lens: `bench/core/nets/camera.py`):
  y = x * PSF(beta) + n,   n ~ N(0, noise^2) drawn per capture
  L1 = CE(maps(y), landmarks(x)) + lambda_privacy mean_f max(0, cos(f(y), f(x)) - margin)
       + lambda_energy || rho PSF ||_F + lambda_centre |centre of mass of PSF|^2,
f the protector's recognisers, rho = 1 beyond `radius`, landmarks(x) those that the shared landmark network
(`bench/zoo/landmarks.py`) sees in the plain picture.
Stage 2, the repainted face: y' = paint(maps(y), style(r)), r a photograph of the reference person,
  L2 = |y' - x| + lambda_ssim (1 - SSIM(y', x)) + lambda_place CE(landmarks of y', landmarks(x)),
learnt with r another photograph of the same person as x.
Differs from the paper, of which the abstract and the released code were read: the training of stage 1 is not released,
so its loss, all weights and the margin are ours; cross-entropy for the heat maps rather than squared error. The code
propagates by Fresnel's integral on a grid of 256, with 300 polynomials and 98 landmarks; here the lens is in focus, so
that one Fourier transform does, the grid is twice the picture's side, and the landmarks are those that the data set
knows. Centring is on the centre of mass; the code compares the PSF with itself rolled by half its side. The picture is
not divided by its maximum; the picture wraps about its edges, as in the code. Stage 2 is a small decoder instead of a
StarGAN v2 with optical flow and LPIPS.
Fidelity: simplified.
The paper's own numbers: landmarks of the face that is sent are 2.298 pixels from the original's (MTCNN; 2.392 where
the capture is a picture of 16x16), FID 29.2 (34.2); re-identification rates could not be read.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.couples import Couples
from ..bench.core.errors import InputError
from ..bench.core.faces import resize
from ..bench.core.nets.camera import FIRST, Lens, convolved, folded, off_centre, outside
from ..bench.core.nets.heatmaps import HeatMapNet, likely, place_loss
from ..bench.core.nets.painter import Painter
from ..bench.core.nets.ssim import ssim_map
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw
from ..bench.core.seeding import Rng, presentation_ids
from ..bench.core.surfaces import Fidelity, Goal, Secret, Surface
from ..bench.core.training import Batch, TrainLog, TrainSettings, train
from ..bench.zoo.landmarks import LandmarkSettings, landmark_network
from .base import Defense


@dataclass(frozen=True)
class OpticsSettings(LandmarkSettings):
    """The lens, the networks behind it, and how they learn. Weights are ours; the paper's are not known."""

    terms: int = 36  # J, Zernike polynomials; the paper: 300
    noise: float = 0.005  # standard deviation of the sensor's noise, share of the range
    steps: int = 300  # of stage 1
    batch: int = 24  # pictures per step, of both stages
    lr: float = 6e-3  # peak, of lens (micrometres) and heat maps
    margin: float = 0.0  # cosine below which a capture counts as nobody
    lambda_privacy: float = 3.0
    lambda_energy: float = 10.0  # larger: a sharper picture that shows more of the person
    lambda_centre: float = 0.01  # per squared pixel
    radius: float = 0.125  # within which light shall stay, share of the side; the code: 32 of 256 pixels
    paint_steps: int = 300  # of stage 2
    paint_lr: float = 3e-3  # peak
    paint_width: int = 96  # channels at 4x4
    lambda_ssim: float = 0.3
    lambda_place: float = 0.02
    reference: int = 0  # label in the train split of the person whom all faces shall look like


@register_defense("optics")
class Optics(Defense):
    """A learnt lens blurs the person away; behind it, the geometry it left is painted as somebody else."""

    label = "privacy-preserving optics"
    protects = Surface.IMAGE
    goal = Goal.ANONYMIZE
    secrets = frozenset({Secret.SAMPLE})
    fidelity = Fidelity.SIMPLIFIED
    uses_surrogates = True
    paper = "Lopez et al., CVPR 2024"
    paper_value = "landmarks of the face sent on 2.298 pixels from the original's"
    paper_source = "the authors' README"
    claims = "Neither the sensor's raw picture nor the face that is sent on shows who it is; the landmarks stay."
    Settings = OpticsSettings
    settings: OpticsSettings
    look: Tensor
    teacher: HeatMapNet

    def _build(self, context: FitContext) -> None:
        s = self.settings
        if s.terms < FIRST or s.noise < 0 or not 0 < s.radius < 1:
            raise InputError(
                f"optics: terms must be {FIRST} or more, noise not negative and radius in (0, 1), got {s.terms}, "
                f"{s.noise} and {s.radius}."
            )
        faces = context.faces("optics learns its lens on pictures of several people", identities=2)
        if not 0 <= s.reference < faces.n_identities:
            raise InputError(
                f"optics: reference must be a person of the train split, 0 to {faces.n_identities - 1}, got "
                f"{s.reference}."
            )
        # The landmark network goes first: what it refuses, this cannot take either.
        teacher = landmark_network(faces, context, s)
        object.__setattr__(self, "teacher", teacher)  # shared, so no part of this state
        self.lens = Lens(s.terms, context.resolution)
        torch.nn.init.uniform_(self.lens.beta, 0, 0.01)  # as in the code
        self.net = HeatMapNet(teacher.points, context.resolution, s.landmark_width, s.landmark_levels)
        self.painter = Painter(teacher.points, context.resolution, width=s.paint_width)
        self.register_buffer("look", torch.zeros(self.painter.stem.in_features))

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) -> what the sensor reads, (N, 3, H, W) in [0, 1]; the sensor has ``context.resolution`` rows."""
        seen = self.capture(resize(images, self.lens.side), self.lens(), secret.sample.child("optics"), secret.ids)
        if seen.shape == images.shape:
            return seen
        return F.interpolate(seen, images.shape[-2:], mode="bilinear", antialias=True).clamp(0, 1)

    def transmit(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) captures -> the reference person in their geometry, (N, 3, side, side) in [0, 1]."""
        return self.painter(self.maps(images), self.look.expand(len(images), -1))  # type: ignore[no-any-return]

    def capture(self, images: Tensor, psf: Tensor, rng: Rng, ids: Tensor) -> Tensor:
        """(N, 3, side, side) through a lens of this ``psf``, with the noise of (N,) ``ids``; differentiable."""
        noise = rng.normal(ids, tuple(images.shape[1:])).to(images.device)
        return (convolved(images, folded(psf)) + self.settings.noise * noise).clamp(0, 1)

    def maps(self, captures: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, P, h, h): where each landmark may be, each map of sum 1."""
        return likely(self.net(captures))

    def point_spread(self) -> Tensor:
        """(3, side, side) what a point of light becomes in each colour, each of sum 1, its middle at (0, 0).

        Public: the lens is no secret.
        """
        return folded(self.lens().detach())

    def _fit(self, context: FitContext) -> None:
        surrogates = context.need_surrogates("optics learns a lens that blinds recognisers of the protector's")
        self.log = self._learn_lens(context, surrogates)
        self.lens.requires_grad_(False)
        self.net.requires_grad_(False)
        self._learn_painter(context)

    def _learn_lens(self, context: FitContext, surrogates: tuple[torch.nn.Module, ...]) -> TrainLog:
        s, faces, rng = self.settings, context.faces("optics"), context.rng.child("optics", "lens")

        def loss(batch: Batch) -> Tensor:
            x = faces.resized(batch.index, self.lens.side).to(context.device)
            psf = self.lens()
            y = self.capture(x, psf, rng, presentation_ids(faces.ids[batch.index], batch.presentation))
            with torch.no_grad():
                points, known = self.teacher.landmarks(x), [one(x) for one in surrogates]
            alike = [F.cosine_similarity(one(y), z) for one, z in zip(surrogates, known, strict=True)]
            privacy = torch.stack(alike).sub(s.margin).relu().mean()
            stray = s.lambda_energy * outside(psf, s.radius * self.lens.side) + s.lambda_centre * off_centre(psf)
            return place_loss(self.net(y), points) + s.lambda_privacy * privacy + stray

        self.net.begin_at(self.teacher.prior)
        both, budget = torch.nn.ModuleList([self.lens, self.net]), TrainSettings(s.steps, s.batch, s.lr)
        return train(both, loss, len(faces), budget, rng=rng, progress=context.progress, title="optics: lens")

    def _learn_painter(self, context: FitContext) -> None:
        s, faces, rng = self.settings, context.faces("optics"), context.rng.child("optics", "painter")
        couples, psf = Couples(faces, rng.child("couples")), self.lens()

        def loss(batch: Batch) -> Tensor:
            index = couples.draw(batch.index, batch.presentation)
            x, same = faces.resized(index, self.lens.side).to(context.device).chunk(2)
            with torch.no_grad():
                ids = presentation_ids(faces.ids[index[: len(x)]], batch.presentation)
                maps, points = self.maps(self.capture(x, psf, rng, ids)), self.teacher.landmarks(x)
            painted = self.painter(maps, self.painter.style(same))
            unlike = (painted - x).abs().mean() + s.lambda_ssim * (1 - ssim_map(painted, x).mean())
            return unlike + s.lambda_place * place_loss(self.teacher(painted), points)

        budget = TrainSettings(s.paint_steps, s.batch, s.paint_lr)
        train(self.painter, loss, faces.n_identities, budget, rng=rng, progress=context.progress, title="optics: face")
        shown = faces.resized((faces.labels == s.reference).nonzero()[:, 0], self.lens.side).to(context.device)
        with torch.no_grad():
            self.look.copy_(self.painter.style(shown).mean(0))
