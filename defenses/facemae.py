"""FaceMAE-style release: every face of a data set is masked and redrawn by an autoencoder; the drawings are released.

Wang et al., "FaceMAE: Privacy-Preserving Face Recognition via Masked Autoencoders", arXiv 2205.11090 (2022). Who sees
what: a data owner publishes redrawn faces, others train recognisers on them; the adversary looks for the person behind
a released face. Not a defence of what is sent or stored at recognition, and never to be ranked with those.
Method: a masked autoencoder is trained on faces of which random patches are hidden, with instance relation matching:
  L = lambda_irm * || C(phi(x)) - C(phi(x_hat)) ||_F^2 / B^2 + lambda_pix * mean over hidden pixels (x - x_hat)^2,
phi the frozen recogniser, C(z) the (B, B) cosines of a batch in which every person appears twice. New people are masked
and redrawn without further training, each picture under a mask of its own.
RE-DERIVED FROM THE ABSTRACT: of the paper only the abstract could be read, and no code was published. The form of the
relation loss, its weights, the mask ratio, the network and the training are ours. The whole drawing is released: of the
patches that the network saw, too, the released pixels are drawn, not copied; so by default pixels count everywhere, not
over hidden patches alone. The first half of the training is on pixels alone: from the start, relations are matched by
patterns that look like no face. Fidelity: simplified.
The paper's own claim: at least 50 % fewer errors than earlier private data sets (abstract); no table could be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ..bench.core.context import FitContext
from ..bench.core.couples import Couples
from ..bench.core.errors import InputError
from ..bench.core.faces import FaceSet, resize
from ..bench.core.nets.mae import MaskedAutoencoder, patches_of
from ..bench.core.precision import exactly
from ..bench.core.registry import register_defense
from ..bench.core.secrets import SecretDraw, SecretSource
from ..bench.core.surfaces import Fidelity, Goal, Secret, Surface
from ..bench.core.training import Batch, TrainSettings, train
from .base import Defense


@dataclass(frozen=True)
class FaceMaeSettings:
    """The autoencoder and its training. Every value is ours; the abstract gives none."""

    mask_ratio: float = 0.75  # share of patches hidden (0, 1); that of MAE, He et al. 2022; others to try: 0.5, 0.9
    side: int = 64  # pixels per side that the network draws; others are resized there and back
    patch: int = 8  # pixels per side of a patch
    width: int = 96  # length of a token; MAE: 768
    depth: int = 4  # layers of the encoder; MAE: 12
    decoder_depth: int = 2  # layers of the decoder; MAE: 8
    steps: Annotated[int, Field(ge=0)] = 800  # optimiser steps; two CPU-minutes
    pretrain: float = 0.5  # first share of them on pixels alone [0, 1]: relations to noise teach no faces
    persons: int = 16  # identities per step, two pictures of each
    lr: float = 2e-3  # peak, AdamW, one cycle
    lambda_irm: float = 1.0  # weight of the relation loss; 0 leaves a plain masked autoencoder
    lambda_pix: float = 1.0  # weight of the pixel loss after pretraining; at 0.1 the drawings are patterns, not faces
    pixels: Literal["all", "hidden"] = "all"  # where pixels count; MAE: hidden, which leaves what it saw undrawn


@register_defense("facemae")
class FaceMae(Defense):
    """Each released picture is drawn anew from a random quarter of its patches."""

    label = "FaceMAE-style (re-derived from the abstract)"
    protects = Surface.IMAGE
    goal = Goal.RELEASE_DATASET
    secrets = frozenset({Secret.SAMPLE})
    fidelity = Fidelity.SIMPLIFIED
    paper = "Wang et al., arXiv 2205.11090 (2022); re-derived from its abstract"
    paper_value = "at least 50 % lower error rate than earlier private data sets"
    paper_source = "FaceMAE, abstract"
    claims = "Recognisers can be trained on the released faces, and nobody finds the person behind one of them."
    Settings = FaceMaeSettings
    settings: FaceMaeSettings

    def _build(self, context: FitContext) -> None:
        s = self.settings
        if s.patch < 1 or s.side % s.patch or s.width % 4:
            raise InputError(f"facemae: side must be a multiple of patch and width one of 4, got {s}.")
        self.net = MaskedAutoencoder(s.side, s.patch, s.width, s.depth, s.decoder_depth)
        self.n_visible = self.net.tokens - round(s.mask_ratio * self.net.tokens)
        if not 0 < self.n_visible < self.net.tokens:
            raise InputError(
                f"facemae: mask_ratio {s.mask_ratio} leaves {self.n_visible} of {self.net.tokens} patches visible; "
                "it must hide some and leave some."
            )
        if not 0 <= s.pretrain <= 1:
            raise InputError(f"facemae: pretrain must lie in [0, 1], got {s.pretrain}.")
        if min(s.lambda_irm, s.lambda_pix) < 0 or s.lambda_irm + s.lambda_pix == 0:
            raise InputError(
                f"facemae: lambda_irm and lambda_pix must not be negative nor both 0, got {s.lambda_irm} and "
                f"{s.lambda_pix}."
            )

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) -> the drawing at the picture's own size, (N, 3, H, W) in [0, 1]."""
        drawn = self.redraw(resize(images, self.settings.side), secret)
        if drawn.shape == images.shape:
            return drawn
        return F.interpolate(drawn, images.shape[-2:], mode="bilinear", antialias=True).clamp(0, 1)

    def redraw(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, side, side) -> (N, 3, side, side), drawn from the patches that the masks leave."""
        return self.net(images, self.order(secret)[:, : self.n_visible].to(images.device))

    def order(self, secret: SecretDraw) -> Tensor:
        """(N, T) int64: each picture's own order of the patches; the first ``n_visible`` are seen, the rest hidden."""
        return secret.sample.child("facemae").permutation(secret.ids, self.net.tokens)

    def _fit(self, context: FitContext) -> None:
        faces, s = self._training_faces(context), self.settings
        source = SecretSource(context.rng.child("deployment"), context.rng.child("training"))
        related = context.embeddings(s.side) if s.lambda_irm else None  # phi, at the side at which drawings are judged
        couples = Couples(faces, context.rng.child("couples"))

        def loss(batch: Batch) -> Tensor:
            index = couples.draw(batch.index, batch.presentation)  # (2 B,)
            x = faces.resized(index, s.side).to(context.device)
            # A person with one picture is drawn twice: with two masks.
            shown = 2 * batch.presentation + torch.arange(2).repeat_interleave(len(batch.index))
            secret = source.draw(faces.ids[index], shown)
            drawn = self.redraw(x, secret)
            error = self.pixel_error(drawn, x, secret)
            if related is None or batch.progress < s.pretrain:
                return error
            z = related[index.to(related.device)]
            return s.lambda_irm * relation_loss(z, context.recognizer(drawn)) + s.lambda_pix * error

        budget = TrainSettings(s.steps, s.persons, s.lr)
        rng, title = context.rng.child("facemae"), "facemae: autoencoder"
        self.log = train(self.net, loss, faces.n_identities, budget, rng=rng, progress=context.progress, title=title)

    def pixel_error(self, drawn: Tensor, images: Tensor, secret: SecretDraw) -> Tensor:
        """Mean squared error over the whole drawing, or over its hidden patches."""
        error = (patches_of(drawn, self.settings.patch) - patches_of(images, self.settings.patch)).square().mean(2)
        if self.settings.pixels == "all":
            return error.mean()
        return error.gather(1, self.order(secret)[:, self.n_visible :].to(images.device)).mean()

    def _training_faces(self, context: FitContext) -> FaceSet:
        """The train split, and a refusal before any work."""
        faces = context.faces("facemae trains an autoencoder on pictures of several people", identities=2)
        if self.settings.lambda_irm and not getattr(context.recognizer, "differentiable", True):
            raise InputError(
                "facemae: the relation loss needs the recogniser's gradient, and this one is forward only; attack a "
                "recogniser with torch weights, or set lambda_irm = 0."
            )
        return faces


def relation_loss(real: Tensor, drawn: Tensor) -> Tensor:
    """|| C(real) - C(drawn) ||_F^2 / B^2 of (B, D) unit-norm embeddings: what the batch's members are to each other."""
    with exactly(real.device):  # half precision would blur the cosines
        return (real @ real.T - drawn.float() @ drawn.float().T).square().mean()
