"""A defended toy system and the contexts that plug-ins are given, for contract tests."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from faceleak.attacks.base import Attack
from faceleak.bench.core.anatomy import Anatomy
from faceleak.bench.core.attributes import Attributes
from faceleak.bench.core.context import AttackContext, FitContext
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.leaks import Leak
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DATASETS, DEFENSES, RECOGNIZERS
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.target import Target
from faceleak.bench.core.threat import ThreatModel
from faceleak.bench.recognizers.base import BuildContext, Recognizer
from faceleak.datasets.alignment import FIVE, template
from faceleak.defenses.base import Defense

CPU = torch.device(os.environ.get("FACELEAK_TEST_DEVICE", "cpu"))  # another one in `make gpu-check` alone
# Through the registry: conftest loads the toys as a plug-in, and a second import would register them twice.
TOY_TRACK: str = sys.modules[RECOGNIZERS.get("toy-a").__module__].TOY_TRACK
# With a train split, in a second; targets, defences and attacks are the test's own.
TRAINED_TRACK = """
[dataset]
name = "toy-faces"
[splits]
train = { identities = 12 }
public = { identities = 12, images = 3 }
calibration = { identities = 16 }
victims = { min_images = 2, identities = 8 }
[protocol]
fmrs = [0.1]
headline_fmr = 0.1
resolution = 16
verification_pairs = 40
bootstrap = 100
pictures = 0
unlinkability_keys = 2
[recognizers.mine]
type = "toy-a"
[recognizers.judge]
type = "toy-b"
"""
NEEDS_SURROGATE = ("score-regression", "identity-extraction-blind", "surrogate-inversion")
RECOGNIZER_OF = {
    "advface-map": "toy-split",
    "slerpface-map": "toy-split",
}  # what a defence is tried on where the plain toy cannot take it

# Settings of a latent diffusion model that learns toy faces in a second.
SMALL_DIFFUSION = {
    "coder_width": 8, "coder_steps": 6, "denoiser_width": 16, "denoiser_steps": 40, "denoiser_lr": 5e-3,
    "denoiser_ema": 0.8,
}  # fmt: skip


@functools.cache
def faces() -> dict[str, FaceSet]:
    """A public and a victims split of toy faces, in memory."""
    data = DATASETS.get("toy-faces")({"identities": 40})
    table = data._index()
    pixels = torch.stack([torch.from_numpy(p) for p in data._read(table)]).float() / 255
    sets = {}
    for name, rows in (("public", slice(0, 150)), ("victims", slice(150, 240))):
        part, mine = table.iloc[rows], pixels[rows]
        read = functools.partial(lambda index, mine: mine[torch.as_tensor(index).cpu()].to(CPU), mine=mine)
        know = functools.partial(toy_attributes, mine)
        where = functools.partial(toy_anatomy, mine)
        samples, people = part["sample"].tolist(), part["identity"].tolist()
        sets[name] = FaceSet(name, samples, people, read, name, know, where)
    return sets


def toy_anatomy(images: torch.Tensor, index: np.ndarray) -> Anatomy:
    """ArcFace's five points, where toy faces show nothing; what can be said of them is their colours."""
    points = torch.from_numpy(template(1) + 0.5).float()
    shown = images[torch.as_tensor(index)].mean((2, 3))
    colours = (("red", "green", "blue")[i] for i in shown.argmax(1).tolist())
    light = ("bright" if value > 0.5 else "dark" for value in shown.mean(1).tolist())
    about = tuple(f"A {b}, {c} face." for b, c in zip(light, colours, strict=True))
    return Anatomy(points.expand(len(index), -1, -1), FIVE, captions=about)


def toy_attributes(images: torch.Tensor) -> Attributes:
    """Two things that can be seen of toy faces: the signs of the first numbers that ``toy-a`` makes of them."""
    signs = (recognizer("toy-a").embed(images.to(CPU))[:, :2] > 0).long().cpu()
    labels = {"first": signs[:, 0], "second": signs[:, 1]}
    return Attributes(dict.fromkeys(labels, ("no", "yes")), labels)


@functools.cache
def recognizer(kind: str) -> Recognizer:
    """A toy recogniser."""
    built = RECOGNIZERS.get(kind)()
    return built.build(BuildContext(None, Rng(0), CPU, Progress()))  # type: ignore[no-any-return]


def fit_defense(defense: Defense, attacked: Recognizer) -> Defense:
    """Fitted on the toy public faces; whoever protects pictures has ``toy-b``."""
    context = FitContext(
        attacked, faces()["public"], Rng(0, "defense"), CPU, Progress(), (recognizer("toy-b"),), 32,
        functools.partial(kept, attacked.name),
    )  # fmt: skip
    return defense.fit(context)


@functools.cache
def fitted_defense(name: str, settings: str, attacked: str) -> Defense:
    """A small form of a registered defence, fitted once for all tests of a process; ``settings`` are JSON."""
    return fit_defense(DEFENSES.get(name)(small_defense(name) | json.loads(settings)), recognizer(attacked))


def small_defense(name: str) -> dict[str, Any]:
    """Settings that make a defence quick to fit; those without such settings keep their defaults."""
    known = getattr(DEFENSES.get(name).Settings, "__dataclass_fields__", {})
    # Toy faces have next to no detail, and LDP-Slicing sends nothing else: a budget that leaves its bits true.
    wanted = {
        "side": 32, "server_steps": 25, "server_batch": 24, "steps": 25, "width": 8, "gate_steps": 15,
        "sensitivity_pictures": 64, "epsilon_total": 200.0, "client_steps": 25, "shadow_steps": 60, "targets": 3,
    }  # fmt: skip
    if name == "optics":
        wanted |= {"terms": 10, "steps": 12, "batch": 8, "paint_steps": 8, "paint_width": 16}
        wanted |= {"landmark_width": 8, "landmark_steps": 8, "landmark_batch": 8}
    if name in ("gift", "clip2protect", "generative-swap"):
        wanted |= {
            "style_steps": 16, "style_batch": 8, "style_dim": 16, "style_width": 16, "search_steps": 1, "copies": 1,
            "invert_steps": 1, "tune_steps": 1, "prompt": "a bright face",
            "parser_steps": 4, "parser_batch": 8, "parser_width": 4, "parser_faces": 40,
            "text_steps": 8, "text_batch": 8, "text_dim": 16, "text_width": 16, "text_faces": 60,
        }  # fmt: skip
    if name == "minusface":  # its server starts from scratch and meets another order at every step
        wanted |= {"server_steps": 60, "steps": 10, "batch": 8}
    if name == "tip-im":
        wanted |= {"steps": 3}
    if name == "facemae":  # toy faces have nothing in one place that tells of another
        wanted |= {"width": 32, "steps": 60, "lr": 0.003, "mask_ratio": 0.5, "pretrain": 0.0, "lambda_pix": 0.1}
    if name == "id-guard":
        wanted |= {"edited": ("first", "second"), "editor_width": 4, "editor_blocks": 1, "editor_steps": 10}
        wanted |= {"critic_steps": 2}
        wanted |= {"blocks": 1, "pictures": 32, "prior_steps": 3, "steps": 10, "width": 4}
    if name == "pro-face-s":
        wanted |= {"blocks": 1, "batch": 4, "lr": 0.003, "rounds": 5}
    if name.startswith("diff-privacy"):
        wanted = SMALL_DIFFUSION | {"levels": 8, "strength": 0.4, "key_levels": 12}
    return {key: value for key, value in wanted.items() if key in known}


class ToySystem:
    """One defence on one toy recogniser."""

    def __init__(
        self, defense: str, settings: dict[str, Any] | None = None, recognizer: str = "", key: int = 0
    ) -> None:
        recognizer = recognizer or RECOGNIZER_OF.get(defense, "toy-a")
        self.public, self.victims = faces()["public"], faces()["victims"]
        self.recognizer = globals()["recognizer"](recognizer)
        self.defense = fitted_defense(defense, json.dumps(settings or {}, sort_keys=True), recognizer)
        self.undefended = fitted_defense("none", "{}", recognizer)
        self.installation = SecretSource.installation(0, key)

    def fit(self, defense: Defense) -> Defense:
        return fit_defense(defense, self.recognizer)

    def deployed_leak(self, index: torch.Tensor, surface: Surface = Surface.TEMPLATE, split: str = "public") -> Leak:
        part = faces()[split]
        return self.defense.leak(part.images(index), surface, self.installation.draw(part.ids[index]))

    def target(self, threat: ThreatModel, surface: Surface = Surface.TEMPLATE) -> Target:
        def embeddings(defense: Defense, part: FaceSet, source: SecretSource) -> torch.Tensor:
            return defense.embed_images(part.images(torch.arange(len(part))), source.draw(part.ids))

        enrolled = self.deployed_leak(torch.arange(len(self.victims)), split="victims")
        return Target(
            self.defense, self.undefended, surface, threat, self.installation, 0, self.public, embeddings, enrolled
        )

    def context(self, threat: ThreatModel, surface: Surface = Surface.TEMPLATE) -> AttackContext:
        photographs = None
        if threat.victims:
            images = self.victims.images(torch.arange(len(self.victims)))
            photographs = {"same": images, "other": images.roll(1, 0)}
        return AttackContext(
            self.target(threat, surface), self.public, Rng(0, "attack"), CPU, Progress(), 32, photographs=photographs,
            keep=functools.partial(kept, self.recognizer.name),
        )  # fmt: skip

    def with_surrogate(self, context: AttackContext) -> AttackContext:
        """The same, and the adversary has a recogniser of its own."""
        own = recognizer("toy-b")
        z = own.embed(self.public.images(torch.arange(len(self.public))))
        context.surrogate, context.surrogate_embeddings = own, lambda: z
        return context


_KEPT: dict[str, dict[str, torch.Tensor]] = {}


def kept(recognizer: str, name: str, spec: Any, make: Any) -> dict[str, torch.Tensor]:
    """What attacks share is made once for all tests of a process, as the harness makes it once for all cells."""
    key = json.dumps([recognizer, name, spec], sort_keys=True, default=str)
    if key not in _KEPT:
        _KEPT[key] = {label: value.detach().clone() for label, value in make().items()}
    return _KEPT[key]


def small(name: str) -> dict[str, Any]:
    """Settings that make an attack quick; attacks that know none of these keep their defaults."""
    from faceleak.bench.core.registry import ATTACKS

    known = getattr(ATTACKS.get(name).Settings, "__dataclass_fields__", {})
    wanted = {
        "steps": 40, "vector_steps": 60, "map_steps": 40, "width": 16, "levels": 2, "batch": 32, "components": 32,
        "side": 16, "student_steps": 15, "rounds": 12, "candidates": 12, "draw_steps": 40, "draw_width": 16,
        "draw_batch": 32, "scores": 40, "groups": 4, "prior_dim": 16, "prior_width": 16, "prior_steps": 70,
        "prior_kl": 0.002, "tried": 24, "starts": 2, "iterations": 8,
    }  # fmt: skip
    if name == "surrogate-inversion":
        wanted |= {"steps": 4, "components": 24}
    if name == "latent-inversion":  # searched anew at every recovery
        wanted |= {"steps": 8}
    if name == "latent-mapping":
        wanted |= {"width": 64, "steps": 80, "feature_batch": 8}
    if name.startswith("attribute"):
        wanted |= {"lr": 0.02, "vector_steps": 150, "features": 16}
    if name == "recovery-unet":
        wanted |= {"width": 6, "steps": 30}
    if name == "diffusion-inversion":
        wanted |= {"patch": 2, "levels": 1, "lr": 0.003, "ema": 0.9, "emphasis": 4.0, "levels_visited": 6}
    return {key: value for key, value in wanted.items() if key in known}


def brief(name: str) -> dict[str, Any]:
    """``small``, with two steps wherever it says how many: for what does not depend on having learnt anything."""
    return {key: 2 if key.endswith(("steps", "iterations")) else value for key, value in small(name).items()}


def fitted(
    name: str, system: ToySystem, threat: ThreatModel, surface: Surface, settings: Mapping[str, Any] | None = None
) -> tuple[Attack, AttackContext]:
    """A small attack fitted on a toy system."""
    from faceleak.bench.core.registry import ATTACKS

    context = system.context(threat, surface)
    if name in NEEDS_SURROGATE:
        system.with_surrogate(context)
    torch.manual_seed(0)
    return ATTACKS.get(name)(small(name) if settings is None else settings).fit(context), context
