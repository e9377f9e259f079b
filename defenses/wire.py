"""What defences of the wire share: a client that transforms the picture, a server with a recogniser of its own.

A subclass says what the client does (``encode``), and how many channels travel (``channels``); what it has to learn
first goes into ``_build_client`` and ``_fit_client``. The server's recogniser is trained here, on the train split, with
fresh secrets for every presentation. How it begins, and by what it reads, are settings (``wire_settings.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import FitContext
from ..bench.core.distillation import distillation
from ..bench.core.errors import ContractError, InputError
from ..bench.core.faces import FaceSet, resize
from ..bench.core.leaks import Leak, leak_cat, leak_shape, leak_take
from ..bench.core.nets.adapted import Adapted
from ..bench.core.nets.inverse import Restored
from ..bench.core.nets.margin import MarginHead, ramped
from ..bench.core.nets.servers import begin_as, published_recipe, server_network
from ..bench.core.nets.standardize import Standardize
from ..bench.core.precision import exactly
from ..bench.core.secrets import SecretDraw, SecretSource
from ..bench.core.seeding import Rng, presentation_ids
from ..bench.core.surfaces import Surface
from ..bench.core.training import Batch, TrainLog, TrainSettings, train
from .base import Defense
from .pooled_wires import pooled
from .wire_settings import WireSettings, check_settings

See: TypeAlias = "Callable[[Tensor, SecretDraw], Tensor]"
SPECTRUM = 400  # train pictures whose mean and spectrum an inverse takes


class WireDefense(Defense, ABC):
    """A transformation on the client and a recogniser for it on the server.

    Class attributes:
        channels: C of what travels, a map of ``side`` x ``side``; where it is no such map, override ``example``.
        invertible: whether ``front = "inverse"`` is possible; then there is ``_inverse``.
    """

    protects = Surface.WIRE
    channels: ClassVar[int] = 3
    invertible: ClassVar[bool] = False
    Settings = WireSettings
    settings: Any
    server: nn.Module
    standardize: Standardize
    client_log: TrainLog | None = None
    _wanted: Callable[[Tensor, Tensor], Tensor] | None = None

    @abstractmethod
    def encode(self, images: Tensor, secret: SecretDraw) -> Leak:
        """(N, 3, side, side) in [0, 1] -> what travels."""

    def example(self) -> Leak:
        """Two rows of the shape that travels."""
        return torch.zeros(2, self.channels, self.settings.side, self.settings.side)

    def properties(self) -> dict[str, float | str]:
        """How the server's recogniser began, behind what where that is ours, and which network it is."""
        s = self.settings
        begun = s.recognizer_init if s.front == "convolution" else f"{s.recognizer_init}, {s.front}"
        return {"recognizer_init": str(begun), "server": str(s.server)}

    def trainings(self) -> dict[str, TrainLog]:
        """The client's own, where it learns something first, and the server's."""
        both = {"client": self.client_log, "server": self.log}
        return {what: log for what, log in both.items() if log is not None}

    def _build_client(self, context: FitContext) -> None:
        """Networks and buffers of the client, and checks of its settings."""

    def _fit_client(self, context: FitContext) -> None:
        """What the client learns before the server is trained."""

    def _build_server(self, channels: int, context: FitContext, shrink: int = 1) -> nn.Module:
        """The server's recogniser: (N, channels, side / shrink, side / shrink) standardised -> (N, D) of any norm."""
        recognizer: Any = context.recognizer
        if self.settings.front == "inverse":
            return Restored(self._inverse(context), recognizer.trainable_copy())
        copied = self.settings.recognizer_init == "clean_finetune"
        copied |= self.settings.recognizer_init == "distill" and self.settings.server == "small"
        if copied and recognizer.differentiable:
            return Adapted(channels, recognizer.trainable_copy())
        return self._network(channels, context, shrink)

    def _inverse(self, context: FitContext) -> nn.Module:
        """What travelled -> (N, 3, side, side) in [0, 1], in closed form; where ``invertible``."""
        raise ContractError(f"{self.name} is called invertible and has no _inverse().")

    def _fit_inverse(self, context: FitContext) -> None:
        """What the inverse has to know of pictures."""
        some = self.training_faces(context).resized(context.some("spectrum", SPECTRUM), self.settings.side)
        (restored,) = (part for part in self.server.modules() if isinstance(part, Restored))
        restored.inverse.fit(some.to(context.device))  # type: ignore[operator]

    def _network(self, channels: int, context: FitContext, shrink: int = 1) -> nn.Module:
        """The network of ``server`` without weights."""
        s = self.settings
        net = server_network(s.server, channels, int(context.recognizer.dim), s.side // shrink)  # type: ignore[arg-type]
        if s.recognizer_init == "warm":
            begin_as(net, context.recognizer, self.name)
        return net

    def transmit(self, images: Tensor, secret: SecretDraw) -> Leak:
        """(N, 3, H, W) in [0, 1] -> what travels."""
        return self.encode(resize(images, self.settings.side), secret)

    def embed(self, wire: Leak) -> Tensor:
        """What travelled -> (N, D) unit-norm embeddings.

        Raises:
            InputError: this is not a wire of this defence.
        """
        expected, seen = leak_shape(self.example()), leak_shape(wire)
        if expected != seen:
            raise InputError(
                f"{self.name}: the server expects a wire of shape {expected}, got {seen}; was it sent by another "
                "defence, or with another side?"
            )
        return F.normalize(self.read(wire).float(), dim=1)

    def read(self, wire: Leak) -> Tensor:
        """What travelled -> (N, D) of any norm, by the server; override where it takes more than one map."""
        return self.server(wire if self.settings.front == "inverse" else self.standardize(wire))  # type: ignore[no-any-return]

    def _build(self, context: FitContext) -> None:
        check_settings(self.settings, self.name, invertible=self.invertible)
        self._build_client(context)
        self.standardize = Standardize(self.example())
        self.server = self._build_server(self.standardize.shape[0], context)

    def _fit(self, context: FitContext) -> None:
        self.training_faces(context)  # a clear refusal before any work
        self._fit_client(context)
        self._fit_server(context)
        self._wanted = None  # targets of the whole train split: not to be kept

    def training_faces(self, context: FitContext) -> FaceSet:
        """The train split.

        Raises:
            InputError: there is none with two people or more.
        """
        return context.faces(f"{self.name} trains a recogniser of its own", identities=2)

    def training_images(self, faces: FaceSet, batch: Batch, rng: Rng, device: torch.device) -> tuple[Tensor, Tensor]:
        """(B, 3, side, side) pictures, half of them mirrored, and (B,) which ones are."""
        x = faces.resized(batch.index, self.settings.side).to(device)
        mirrored = rng.uniform(presentation_ids(faces.ids[batch.index], batch.presentation)) < 0.5
        return torch.where(mirrored.to(device)[:, None, None, None], x.flip(-1), x), mirrored

    def secrets_of(self, context: FitContext) -> SecretSource:
        """The installation's own key, and sample secrets that no deployed picture meets."""
        key = context.key or SecretSource.installation(context.rng.seed).deployment
        return SecretSource(key, context.rng.child("training"))

    def training_draw(self, faces: FaceSet, index: Tensor, presentation: int, source: SecretSource) -> SecretDraw:
        """The secrets of train pictures at (B,) positions; override where who is shown has a say in them."""
        return source.draw(faces.ids[index], presentation)

    def training_wire(self, images: Tensor, secret: SecretDraw) -> Leak:
        """What the server learns from. A client that learns together with it overrides this to let gradients pass."""
        with torch.no_grad():
            return self.encode(images, secret)

    def learner_modules(self) -> list[nn.Module]:
        """What of the client is trained together with the server, by the same loss."""
        return []

    def _fit_server(self, context: FitContext) -> None:
        self._aim(context, self.training_faces(context), self.secrets_of(context))
        if self.settings.front == "inverse":
            self._fit_inverse(context)

        def see(x: Tensor, secret: SecretDraw) -> Tensor:
            # What is deployed runs in float32; a transform in bf16 would be another one (coefficients span 10^4).
            with exactly(x.device):
                wire = self.training_wire(x, secret)
            return self.read(wire)

        learner = [self.server, *self.learner_modules()]
        wires = pooled(self, context) if self.settings.pool else None
        steps = self.settings.server_steps
        self.log = self.learn_faces(see, learner, steps, context, context.rng, "server", wires=wires)

    def learn_faces(
        self, see: See, learner: list[nn.Module], steps: int, context: FitContext, rng: Rng, title: str,
        penalty: Callable[[], Tensor] | None = None, wires: Callable[[Batch], tuple[Leak, Tensor]] | None = None,
    ) -> TrainLog:  # fmt: skip
        """Train ``learner`` by the recognition loss of ``recognizer_init``, plus ``penalty`` where there is one.

        Args:
            see: (pictures, secrets) -> (B, D) embeddings of any norm; fresh secrets for every presentation.
            learner: whose parameters move.
            steps: optimiser steps.
            context: of the fit.
            rng: order of the pictures, mirrors, class centres.
            title: what is trained, for the progress bar.
            penalty: what is added to the loss.
            wires: batch -> what travelled, and which pictures were mirrored: read instead of what ``see`` makes.
        """
        faces, source, s = self.training_faces(context), self.secrets_of(context), self.settings
        flips = rng.child("mirror")
        if s.recognizer_init == "distill" and self._wanted is None:
            self._wanted = distillation(context)
        wanted = self._wanted
        dim = int(context.recognizer.dim)  # type: ignore[arg-type]
        generator = rng.child("margin").torch()
        published = s.recipe == "tface"
        spread = 0.01 if published else 1.0
        head = MarginHead(faces.n_identities, dim, "arcface", s.scale, generator, spread).to(context.device)

        def loss(batch: Batch) -> Tensor:
            if wires is not None:
                wire, mirrored = wires(batch)
                z = self.read(wire)
            else:
                x, mirrored = self.training_images(faces, batch, flips, context.device)
                z = see(x, self.training_draw(faces, batch.index, batch.presentation, source))
            extra = penalty() if penalty is not None else 0.0
            if wanted is not None:
                return extra + 1 - (F.normalize(z, dim=1) * wanted(batch.index, mirrored)).sum(1).mean()
            labels = faces.labels[batch.index].to(context.device)
            margin = s.margin if published else ramped(s.margin, batch.progress, s.margin / 3)
            return extra + head(z, labels, margin)  # type: ignore[no-any-return]

        module = nn.ModuleList(learner if wanted is not None else [*learner, head])
        make = published_recipe if published else TrainSettings
        budget = make(steps, s.server_batch, s.server_lr, weight_decay=s.weight_decay)
        title = f"{self.name}: {title}"
        return train(module, loss, len(faces), budget, rng=rng, progress=context.progress, title=title)

    @torch.no_grad()
    def _aim(self, context: FitContext, faces: FaceSet, source: SecretSource, count: int = 128) -> None:
        """Channel statistics, and a first aim of the convolution before a copied recogniser."""
        some = context.some("statistics", count)
        images = faces.resized(some, self.settings.side).to(context.device)
        parts = torch.arange(len(some)).split(32)
        wire = leak_cat([self.encode(images[part], self.training_draw(faces, some[part], 0, source)) for part in parts])
        self.standardize.fit(wire)
        aim = getattr(self.server, "aim", None)  # of ``Adapted``, or of what stands before one
        if aim is not None:
            few = slice(0, 64)
            aim(self.standardize(leak_take(wire, few)), images[few])
