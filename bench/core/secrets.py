"""The secrets of one run of a defended pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .seeding import Rng, presentation_ids


@dataclass(frozen=True)
class SecretDraw:
    """What a stage may use as randomness.

    Args:
        deployment: the installation's key; the same for every sample.
        sample: the source of per-call secrets; always asked with ``ids``.
        ids: (N,) int64, one per image and presentation: the same ids give the same secrets.
    """

    deployment: Rng
    sample: Rng
    ids: Tensor

    def take(self, index: Tensor | slice) -> SecretDraw:
        """The draw for some of the samples."""
        return SecretDraw(self.deployment, self.sample, self.ids[index])


@dataclass(frozen=True)
class SecretSource:
    """Who draws: an installation (its key and its own sample secrets), or an adversary with secrets of its own."""

    deployment: Rng
    sample: Rng

    def draw(self, ids: Tensor, presentation: int | Tensor = 0) -> SecretDraw:
        """Fresh sample secrets for each (sample, presentation)."""
        return SecretDraw(self.deployment, self.sample, presentation_ids(ids, presentation))

    @staticmethod
    def installation(seed: int, key: int = 0) -> SecretSource:
        """The deployed system; another ``key`` is a re-issued deployment secret."""
        return SecretSource(Rng(seed, "deployment", key), Rng(seed, "deployed-sample", key))

    def adversary(self, seed: int, own_key: bool) -> SecretSource:
        """An adversary who runs the pipeline: own sample secrets always, an own deployment key where it must guess."""
        deployment = Rng(seed, "adversary-key") if own_key else self.deployment
        return SecretSource(deployment, Rng(seed, "adversary-sample"))
