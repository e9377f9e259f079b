"""The defended path: image --publish--> IMAGE --transmit--> WIRE --embed--> embedding --enroll--> TEMPLATE.

A defence overrides only the stage where it acts; everything else is inherited. Stages are deterministic given
(input, secret) and treat each sample on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.checks import check_images, check_vectors
from ..bench.core.context import FitContext
from ..bench.core.errors import ContractError, InputError, NotApplicable
from ..bench.core.leaks import Leak, leak_length
from ..bench.core.plugin import Plugin
from ..bench.core.secrets import SecretDraw
from ..bench.core.surfaces import Goal, Secret, Surface
from ..bench.core.training import TrainLog


class Defense(nn.Module, Plugin):
    """Base class and, unchanged, the undefended system.

    Class attributes:
        protects: the tap that its paper claims to protect.
        goal: what it is for, hence what utility means.
        secrets: which secrets it draws.
        claims: one sentence, what it promises.
        slow: whether ``publish`` searches anew for every picture, seconds apiece: the harness then makes every
            published picture once, and an adversary's own too.
        uses_surrogates: whether ``fit`` asks for ``context.surrogates``.
        silent_without_key: whether a template says nothing of whose it is to who has no key that belongs to it, so
            that a recovery that finds people all the same is marked (F18).
    """

    protects: ClassVar[Surface] = Surface.TEMPLATE
    goal: ClassVar[Goal] = Goal.BLOCK_INVERSION
    secrets: ClassVar[frozenset[Secret]] = frozenset()
    claims: ClassVar[str] = ""
    slow: ClassVar[bool] = False
    uses_surrogates: ClassVar[bool] = False
    silent_without_key: ClassVar[bool] = False
    recognizer: Any
    log: TrainLog | None = None

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.configure(values)

    def fit(self, context: FitContext, state: Mapping[str, Tensor] | None = None) -> Defense:
        """Learn what there is to learn on the train split, or load what an equal fit has learnt (its ``state_dict``).

        Returns itself in eval mode.
        """
        # Kept out of the module tree: a recogniser's weights are not part of a defence's state.
        object.__setattr__(self, "recognizer", context.recognizer)
        with context.rng.child("weights").seeds_torch():
            self._build(context)
            self.to(context.device)
            if state is None:
                self._fit(context)
            else:
                self.load_state_dict(state, strict=True)
        # As for attacks: a fit and its reloaded copy must agree on the layout.
        self.to(context.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval().requires_grad_(False)
        return self

    def _build(self, context: FitContext) -> None:
        """Sizes, networks and buffers; settings are checked here."""

    def _fit(self, context: FitContext) -> None:
        """Subclasses with something to learn override this."""

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, 3, H, W) -> the published picture, (N, 3, H, W) in [0, 1]."""
        return images

    def transmit(self, images: Tensor, secret: SecretDraw) -> Leak:
        """(N, 3, H, W) -> what travels to the server."""
        return images

    def embed(self, wire: Leak) -> Tensor:
        """What arrived -> (N, D) unit-norm embeddings. Wire defences may bring their own recogniser."""
        if isinstance(wire, dict):
            raise ContractError(f"{self.name}: a wire of several tensors needs an embed() of its own.")
        return self.recognizer(wire)  # type: ignore[no-any-return]

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Leak:
        """(N, D) -> what the database stores."""
        return embeddings

    def probe(self, embeddings: Tensor, secret: SecretDraw) -> Leak:
        """(N, D) -> what is computed when the person comes back."""
        return embeddings

    def compare(self, templates: Leak, probes: Leak) -> Tensor:
        """(N,) scores of row-aligned templates and probes, higher is more alike; cosine unless overridden."""
        if isinstance(templates, dict) or isinstance(probes, dict):
            raise ContractError(f"{self.name}: templates of several tensors need a compare() of their own.")
        return F.cosine_similarity(templates.float(), probes.float(), dim=1)

    def make_key(self, images: Tensor, secret: SecretDraw) -> Leak:
        """What the owner of (N, 3, H, W) ``images`` keeps to get them back later, one row per picture; its size counts.

        Only reversible defences override this and ``recover``.
        """
        raise NotApplicable(f"{self.name} is not reversible: there is no key.")

    def recover(self, published: Tensor, key: Leak) -> Tensor:
        """(N, 3, H, W) published pictures and their keys -> the originals, (N, 3, H, W) in [0, 1]."""
        raise NotApplicable(f"{self.name} is not reversible: published pictures cannot be turned back.")

    def round_trip(self, images: Tensor) -> Tensor | None:
        """(N, 3, H, W) -> the most that any key could give back of them, if that is less than ``images``; None: all.

        For reversible defences that store a code of the picture: the code, decoded.
        """
        return None

    def decoys(self) -> Tensor | None:
        """(k,) labels in the train split of the people whom pictures are made to pass for; None: of nobody.

        The first photograph of each is the search's; others decide whether it worked.
        """
        return None

    def trainings(self) -> dict[str, TrainLog]:
        """What ``fit`` trained, the last one last, by what was trained; ``log`` where a subclass has no more.

        The harness keeps it with the fit, and flags what was cut short. Nothing after a fit was loaded.
        """
        return {} if self.log is None else {"network": self.log}

    def properties(self) -> dict[str, float | str]:
        """Facts for the board that follow from the settings or the fit, for example ``epsilon``, by metric name."""
        return {}

    @property
    def person_keyed(self) -> bool:
        """Whether every person has a key of their own (``keyed.py``)."""
        return False

    def strip_key(self, templates: Leak, secret: SecretDraw) -> Tensor:
        """Templates and the persons' keys that they were made with -> what the key tells at once of the embedding."""
        raise NotApplicable(f"{self.name}: no person has a key of their own.")

    # Final from here on: what the harness and the attacks call.

    @property
    def reversible(self) -> bool:
        """Whether the published picture and a key give the original back."""
        return overrides(self, "recover")

    @property
    def embedding_fixed(self) -> bool:
        """Whether the embedding of an image never changes, so that it may be computed once."""
        acts_before = any(overrides(self, stage) for stage in ("publish", "transmit"))
        return not (acts_before and Secret.SAMPLE in self.secrets)

    @property
    def plain_embedding(self) -> bool:
        """Whether the embedding is the recogniser's own, so that all such defences share one cache."""
        return not any(overrides(self, stage) for stage in ("publish", "transmit", "embed"))

    @property
    def keyed_templates(self) -> bool:
        """Whether the stored template depends on a deployment secret that can be re-issued by itself."""
        return Secret.DEPLOYMENT in self.secrets and overrides(self, "enroll")

    def randomised(self, surface: Surface) -> bool:
        """Whether two calls leak different tensors at ``surface``."""
        stages = {"publish": Surface.IMAGE, "transmit": Surface.WIRE, "enroll": Surface.TEMPLATE}
        order = list(Surface)
        reached = [s for s, tap in stages.items() if order.index(tap) <= order.index(surface)]
        return Secret.SAMPLE in self.secrets and any(overrides(self, stage) for stage in reached)

    def leak(self, images: Tensor, surface: Surface, secret: SecretDraw) -> Leak:
        """What the adversary holds of ``images`` at ``surface``.

        Raises:
            InputError: images or secrets do not fit the contract.
            ContractError: a stage returned what it must not.
        """
        self._check_input(images, secret)
        published = check_images(self.publish(images, secret), f"published images of {self.name}")
        if surface is Surface.IMAGE:
            return published
        wire = self.transmit(published, secret)
        if leak_length(wire) != len(images):
            raise ContractError(f"{self.name}: transmit returned {leak_length(wire)} rows for {len(images)} images.")
        if surface is Surface.WIRE:
            return wire
        return self.enroll_checked(self.embed(wire), secret)

    @torch.no_grad()
    def embed_images(self, images: Tensor, secret: SecretDraw) -> Tensor:
        """(N, D) embeddings that the server computes of ``images``."""
        self._check_input(images, secret)
        z = self.embed(self.transmit(self.publish(images, secret), secret))
        return check_vectors(z, f"embeddings of {self.name}", unit_norm=True)

    def enroll_checked(self, embeddings: Tensor, secret: SecretDraw) -> Leak:
        """``enroll`` with its contract checked."""
        stored = self.enroll(check_vectors(embeddings, "embeddings", unit_norm=True), secret)
        if leak_length(stored) != len(embeddings):
            raise ContractError(f"{self.name}: enroll returned {leak_length(stored)} rows for {len(embeddings)}.")
        return stored

    def probe_images(self, images: Tensor, secret: SecretDraw) -> Leak:
        """The probes of ``images``."""
        return self.probe(self.embed_images(images, secret), secret)

    def score(self, enrolled: Tensor, returning: Tensor, secrets: tuple[SecretDraw, SecretDraw]) -> Tensor:
        """(N,) comparison scores of row-aligned enrolment and probe images, secrets drawn for each side."""
        templates = self.enroll_checked(self.embed_images(enrolled, secrets[0]), secrets[0])
        return self.compare(templates, self.probe_images(returning, secrets[1]))

    def _check_input(self, images: Tensor, secret: SecretDraw) -> None:
        check_images(images)
        if not hasattr(self, "recognizer"):
            raise InputError(f"{self.name} was not fitted; call fit(context) first.")
        if len(secret.ids) != len(images):
            raise InputError(
                f"{self.name}: {len(secret.ids)} secrets were given for {len(images)} images; draw one per image."
            )


def overrides(defense: Defense, stage: str) -> bool:
    """Whether ``defense`` acts at ``stage``."""
    return getattr(type(defense), stage) is not getattr(Defense, stage)
