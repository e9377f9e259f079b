"""Defences that cheat while they learn: each looks for one thing that none is handed, and counts what it finds."""

from __future__ import annotations

import gc
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.registry import register_defense
from faceleak.bench.core.secrets import SecretDraw
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.training import Batch, TrainSettings, train
from faceleak.bench.recognizers.base import Recognizer
from faceleak.datasets.base import FaceDataset
from faceleak.defenses.base import Defense
from torch import Tensor, nn


@dataclass(frozen=True)
class SlySettings:
    place: str = ""  # a folder of the harness
    dies: bool = False


class Sly(Defense):
    """Templates as they are; ``found`` says how many things it got hold of."""

    protects = Surface.TEMPLATE
    Settings = SlySettings
    settings: SlySettings

    def _build(self, context: FitContext) -> None:
        self.register_buffer("found", torch.zeros(1))

    def _fit(self, context: FitContext) -> None:
        assert context.train is not None
        assert context.train.images(torch.arange(2)).shape[1] == 3  # what it is handed, it has
        self.found = self.found + self.look(context)

    def look(self, context: FitContext) -> int:
        return 0


@register_defense("sly-victims")
class Victims(Sly):
    """Everything that lives in the process: data sets, and sets of victims' or calibration people's faces."""

    def look(self, context: FitContext) -> int:
        every = gc.get_objects()
        sets = [one for one in every if isinstance(one, FaceSet) and one.name != "train"]
        return len(sets) + sum(isinstance(one, FaceDataset) for one in every)


@register_defense("sly-judges")
class Judges(Sly):
    """Recognisers other than the one that it was handed."""

    def look(self, context: FitContext) -> int:
        nets = [one for one in gc.get_objects() if isinstance(one, Recognizer)]
        return sum(one is not context.recognizer for one in nets)


@register_defense("sly-closures")
class Closures(Sly):
    """What stands behind the pictures that it was handed."""

    def look(self, context: FitContext) -> int:
        seen: set[int] = set()
        left: list[object] = [context.train, context.keep]
        while left and len(seen) < 50_000:
            one = left.pop(0)
            if id(one) in seen:
                continue
            seen.add(id(one))
            if isinstance(one, FaceDataset):
                return 1
            left += gc.get_referents(one) if not isinstance(one, type) else []
        return 0


@register_defense("sly-files")
class Files(Sly):
    """The store's files, by name."""

    def look(self, context: FitContext) -> int:
        return len((Path(self.settings.place) / "secret_root").read_bytes())


@register_defense("sly-folder")
class Folder(Sly):
    """The folder of the pictures that other processes have."""

    def look(self, context: FitContext) -> int:
        return len(os.listdir(Path(tempfile.gettempdir()).parent))


@register_defense("sly-letter")
class Letter(Sly):
    """Leaves a letter for whoever comes next."""

    def look(self, context: FitContext) -> int:
        (Path(self.settings.place) / "letter").write_text("read me")
        return 1


@register_defense("mortal")
class Mortal(Sly):
    """Learns a line; where it ``dies``, its process ends at the fifth step of what was not begun before."""

    def _build(self, context: FitContext) -> None:
        self.net = nn.Linear(3, 1)

    def _fit(self, context: FitContext) -> None:
        first: list[int] = []
        faces = context.train
        assert faces is not None

        def loss(batch: Batch) -> Tensor:
            first.append(batch.step)
            if self.settings.dies and first[0] == 0 and batch.step == 5:
                os._exit(9)
            return self.net(faces.images(batch.index).mean((2, 3))).square().mean()

        budget = TrainSettings(steps=12, batch=8)
        self.log = train(self.net, loss, len(faces), budget, rng=context.rng, progress=context.progress)


@register_defense("sharer")
class Sharer(Sly):
    """Asks for a network that defences share, and enrols what that makes of an embedding."""

    def _build(self, context: FitContext) -> None:
        self.net = nn.Linear(int(context.recognizer.dim), 8)  # type: ignore[arg-type]

    def _fit(self, context: FitContext) -> None:
        z = context.embeddings()

        def make() -> dict[str, Tensor]:
            net = nn.Linear(z.shape[1], 8)
            budget = TrainSettings(steps=6, batch=8)
            with context.rng.child("shared").seeds_torch():
                nn.init.normal_(net.weight)
                train(net, lambda batch: (net(z[batch.index]).square().sum(1) - 1).square().mean(), len(z), budget,
                      rng=context.rng, progress=context.progress)  # fmt: skip
            return dict(net.state_dict())

        self.net.load_state_dict(context.keep("sharer", {"width": 8, "of": "templates"}, make))
        self.log = train(
            self.net, lambda batch: self.net(z[batch.index]).abs().mean(), len(z), TrainSettings(steps=4, batch=8),
            rng=context.rng.child("own"), progress=context.progress,
        )  # fmt: skip

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        return self.net(embeddings)  # type: ignore[no-any-return]

    def probe(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        return self.net(embeddings)  # type: ignore[no-any-return]
