"""The secrets of one run of a defended pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from .seeding import Rng, presentation_ids


@dataclass(frozen=True)
class SecretDraw:
    """What a stage may use as randomness.

    Args:
        deployment: the installation's key; the same for every sample.
        sample: the source of per-call secrets; always asked with ``ids``.
        ids: (N,) int64, one per image and presentation: the same ids give the same secrets.
        people: (N,) int64, whose each image is, where that is known: a person's key follows from it.
    """

    deployment: Rng
    sample: Rng
    ids: Tensor
    people: Tensor | None = field(default=None, kw_only=True)

    @property
    def owners(self) -> Tensor:
        """(N,) int64: who holds the key of each sample; where nobody was named, every sample is a person."""
        return self.ids if self.people is None else self.people

    def take(self, index: Tensor | slice) -> SecretDraw:
        """The draw for some of the samples."""
        people = None if self.people is None else self.people[index]
        return SecretDraw(self.deployment, self.sample, self.ids[index], people=people)


@dataclass(frozen=True)
class SecretSource:
    """Who draws: an installation (its key and its own sample secrets), or an adversary with secrets of its own."""

    deployment: Rng
    sample: Rng

    def draw(self, ids: Tensor, presentation: int | Tensor = 0, people: Tensor | None = None) -> SecretDraw:
        """Fresh sample secrets for each (sample, presentation); keys are those of ``people`` (N,)."""
        return SecretDraw(self.deployment, self.sample, presentation_ids(ids, presentation), people=people)

    @staticmethod
    def installation(seed: int, key: int = 0) -> SecretSource:
        """The deployed system; another ``key`` is a re-issued deployment secret."""
        return SecretSource(Rng(seed, "deployment", key), Rng(seed, "deployed-sample", key))

    def adversary(self, seed: int, own_key: bool) -> SecretSource:
        """An adversary who runs the pipeline: own sample secrets always, an own deployment key where it must guess."""
        deployment = Rng(seed, "adversary-key") if own_key else self.deployment
        return SecretSource(deployment, Rng(seed, "adversary-sample"))
