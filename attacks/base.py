"""An attack turns a leak into a ``Recovery``. A subclass writes ``_build`` (networks), ``_fit`` and ``_recover``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bench.core.context import AttackContext
from ..bench.core.errors import ContractError, NotApplicable, ThreatModelError
from ..bench.core.leaks import Leak, leak_length, leak_shape, leak_take, leak_to
from ..bench.core.nets.standardize import Standardize
from ..bench.core.plugin import Plugin
from ..bench.core.recovery import Recovery
from ..bench.core.search import Search
from ..bench.core.surfaces import Role, Surface
from ..bench.core.threat import RecognizerAccess, ThreatModel
from ..bench.core.training import TrainLog
from ..bench.core.unfinished import nowhere


class Attack(nn.Module, Plugin, ABC):
    """Base class: all checks, batching, standardisation and bookkeeping happen here.

    Class attributes:
        threat: the least access it needs.
        role: attack, floor or ceiling, on boards and in flags.
        surfaces: the leaks it can read.
        recovers: ``image``, ``identity`` or both; or ``attributes``.
        trained: whether it learns from (image, leak) pairs; such an attack is run oblivious and adaptive, and its
            fitted state (its ``state_dict``) is kept and shared between cells.
        uses_secrets: whether it reads disclosed secrets (K3) beyond training on pairs made with them.
        aligned: whether recovered faces share the originals' geometry, so that pixel metrics mean something.
        uses_pairs: whether its result depends on leaks of public images at all (floors may not).
    """

    threat: ClassVar[ThreatModel] = ThreatModel()
    role: ClassVar[Role] = Role.ATTACK
    surfaces: ClassVar[frozenset[Surface]] = frozenset(Surface)
    recovers: ClassVar[frozenset[str]] = frozenset({"image"})
    trained: ClassVar[bool] = False
    uses_pairs: ClassVar[bool] = False
    uses_secrets: ClassVar[bool] = False
    aligned: ClassVar[bool] = True
    batch: ClassVar[int] = 128
    log: TrainLog | None = None

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.configure(values)
        self._shape: tuple[Any, ...] | None = None

    def fit(self, context: AttackContext, state: Mapping[str, Tensor] | None = None) -> Attack:
        """Learn from the public split through the target, or load what an equal fit has learnt.

        Args:
            context: target, public images, randomness.
            state: the ``state_dict`` of an equal fit.

        Raises:
            ThreatModelError: the target grants less than the attack declares.
            NotApplicable: the attack cannot read this surface.
        """
        self._check_grants(context)
        with context.rng.child("weights").seeds_torch():
            self._learn(context, state)
        # The layout decides the last bits of a convolution: a fit and its reloaded copy must agree on it.
        self.to(context.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval().requires_grad_(False)
        return self

    def _learn(self, context: AttackContext, state: Mapping[str, Tensor] | None) -> None:
        if self.uses_pairs or self.trained:
            example = leak_to(context.target.example(), context.device)
            self._shape = leak_shape(example)
            self.standardize = Standardize(example)
            self._build(context)
            self.to(context.device)
        if state is not None:
            self.load_state_dict(state, strict=True)
        else:
            if self.uses_pairs or self.trained:
                limit = 2048 if context.target.surface is Surface.TEMPLATE else 512
                self.standardize.fit(context.target.all_pairs(limit))
            self._fit(context)

    def check_shape(self, leak: Leak, context: AttackContext) -> None:
        """Refuse, before anything is learnt, a leak that a fit in ``context`` could not read.

        Raises:
            NotApplicable: the adversary's own leaks have another shape.
        """
        self._check_grants(context)
        if self.uses_pairs or self.trained:
            self._agree(leak_shape(context.target.example()), leak)

    def _agree(self, fitted: tuple[Any, ...], leak: Leak) -> None:
        if leak_shape(leak) != fitted:
            raise NotApplicable(
                f"{self.name} was fitted on leaks of shape {fitted}, the defended leak has {leak_shape(leak)}; an "
                "oblivious adversary cannot feed it to its network."
            )

    def recover(self, leak: Leak, ids: Tensor, context: AttackContext) -> Recovery:
        """The victims' faces, or who they are, from what leaked.

        Args:
            leak: the victims' leak, (N, ...).
            ids: (N,) int64 sample ids for per-sample randomness.
            context: as in ``fit``.

        Raises:
            NotApplicable: the leak has another shape than the leaks the attack was fitted on.
            ContractError: the attack returned another number of recoveries than leaks.
        """
        if self._shape is not None:
            self._agree(self._shape, leak)
        search, batches = Search(leak_length(leak)), torch.arange(leak_length(leak)).split(self.batch)
        for number, index in enumerate(batches[len(search.parts) :], len(search.parts) + 1):
            piece = leak_to(leak_take(leak, index), context.device)
            with nowhere():  # a loop of one batch is none of the next batch's
                part = self._recover(piece, ids[index], index, context)
            search.add(part, end=number == len(batches))
        recovery = _join(search.parts)
        if len(recovery) != leak_length(leak):
            raise ContractError(f"{self.name} returned {len(recovery)} recoveries for {leak_length(leak)} leaks.")
        return recovery

    def _build(self, context: AttackContext) -> None:
        """Networks and buffers, before weights are learnt or loaded; the leak's shape is ``self.standardize.shape``."""

    def _fit(self, context: AttackContext) -> None:
        """Learn. Nothing to do for attacks without knowledge."""

    @abstractmethod
    def _recover(self, leak: Leak, ids: Tensor, index: Tensor, context: AttackContext) -> Recovery:
        """One batch of leaks -> recovery; ``index`` are the victims' positions."""

    def _need(self, plane: bool) -> None:
        """Refuse a leak of the other kind, before any network is built for it."""
        if self.standardize.is_map is not plane:
            wanted, seen = ("maps", "vector") if plane else ("vectors", "map")
            raise NotApplicable(f"{self.name} reads {wanted}; this leak is a {seen} of {self.standardize.shape}.")

    def _as_embedding(self, leak: Leak, dim: int) -> Tensor:
        """(N, D) unit norm: the leak taken for embeddings of the recogniser, as searches by gradient need it."""
        if isinstance(leak, dict) or leak.shape[1:] != (dim,):
            raise NotApplicable(
                f"{self.name} matches the leak as an embedding of the recogniser, {dim} numbers; this leak has another "
                "shape."
            )
        return F.normalize(leak.float(), dim=1)

    def inputs(self, leak: Leak) -> Tensor:
        """The leak as one standardised tensor: (N, K) for vectors, (N, C, H, W) for anything with a picture plane."""
        return self.standardize(leak)  # type: ignore[no-any-return]

    def _check_grants(self, context: AttackContext) -> None:
        granted, needed = context.target.threat, type(self).threat
        if context.target.surface not in self.surfaces:
            readable = ", ".join(sorted(surface.value for surface in self.surfaces))
            raise NotApplicable(f"{self.name} reads {readable}, this leak is at {context.target.surface.value}.")
        if not granted.grants(needed.recognizer):
            raise ThreatModelError(
                f"{self.name} needs recognizer access {needed.recognizer.value!r}, the threat model grants "
                f"{granted.recognizer.value!r}."
            )
        if needed.recognizer is RecognizerAccess.WHITE_BOX:
            context.target.recognizer  # noqa: B018  refuses forward-only recognisers before any work is done


def _join(parts: list[Recovery]) -> Recovery:
    images = [p.images.float().cpu() for p in parts if p.images is not None]
    embeddings = [p.embeddings.float().cpu() for p in parts if p.embeddings is not None]
    attributes = [p.attributes for p in parts if p.attributes is not None]
    return Recovery(
        torch.cat(images) if images else None,
        torch.cat(embeddings) if embeddings else None,
        parts[0].space if parts else None,
        {name: torch.cat([part[name].float().cpu() for part in attributes]) for name in attributes[0]}
        if attributes
        else None,
    )
