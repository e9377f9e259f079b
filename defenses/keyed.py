"""What templates have in common that are made with a key alone: whose key it is, and what who has it can say at once.

Papers give every person a key of their own, a token or a password (``key = "person"``). Then an impostor holds another
key, and error rates tell of the keys as much as of the faces; and whoever steals a data base holds templates without
keys. With one key for the installation (the default) both sides share it: what standards call the stolen-token case of
verification. Keys of persons follow from the installation's, so that a re-issued one re-issues them all.

Where a person's key is stolen too (K3), an adversary does not learn against the key, it takes it off: ``estimate`` is
the closed form that each scheme's file gives, and attacks see and learn from what is left. Without it they see
templates under keys of people of their own (K1), of which no two are alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..bench.core.secrets import SecretDraw
from ..bench.core.seeding import Rng
from ..bench.core.surfaces import Secret, Surface
from .base import Defense

Owner = Literal["installation", "person"]


@dataclass(frozen=True)
class KeyedSettings:
    """Whose the key is."""

    key: Owner = "installation"  # papers: person


class KeyedTemplate(Defense, ABC):
    """Base class: a subclass writes ``protect`` and ``estimate``, each of a key."""

    protects = Surface.TEMPLATE
    secrets = frozenset({Secret.DEPLOYMENT})
    Settings = KeyedSettings
    settings: Any

    @abstractmethod
    def protect(self, embeddings: Tensor, key: Rng) -> Tensor:
        """(N, D) unit norm -> (N, ...) templates."""

    @abstractmethod
    def estimate(self, templates: Tensor, key: Rng) -> Tensor:
        """(N, ...) templates -> (N, D), along the embeddings as far as the key tells at once."""

    @property
    def person_keyed(self) -> bool:
        """Whether every person has a key of their own."""
        return bool(self.settings.key == "person")

    def enroll(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """(N, D) -> (N, ...)."""
        return self._each(self.protect, embeddings, secret)

    def probe(self, embeddings: Tensor, secret: SecretDraw) -> Tensor:
        """As ``enroll``: the client holds the same key."""
        return self.enroll(embeddings, secret)

    def strip_key(self, templates: Any, secret: SecretDraw) -> Tensor:
        """(N, ...) templates and the keys that they were made with -> (N, D) of unit norm."""
        return F.normalize(self._each(self.estimate, templates, secret), dim=1)

    def properties(self) -> dict[str, float | str]:
        """Whose the key is, where it is not the installation's."""
        return {"key_of": "person"} if self.person_keyed else {}

    def _each(self, act: Callable[[Tensor, Rng], Tensor], rows: Tensor, secret: SecretDraw) -> Tensor:
        """``act`` on all rows under the installation's key, or on each person's rows under theirs."""
        if not self.person_keyed:
            return act(rows, secret.deployment)
        people = secret.owners.cpu()
        each, place = people.unique(return_inverse=True)
        order = place.argsort(stable=True)
        counts = place.bincount(minlength=len(each)).tolist()
        parts = [
            act(rows[mine.to(rows.device)], secret.deployment.child("person", who))
            for who, mine in zip(each.tolist(), order.split(counts))
        ]
        made = torch.cat(parts)
        return made[order.argsort().to(made.device)]
