"""Randomness that belongs to a sample, not to a batch.

A counter-based generator: each number is a hash (splitmix64, Steele et al., OOPSLA 2014) of (seed, labels, sample id,
position). Results therefore do not depend on batch size, order or device, which ``torch.Generator`` cannot give.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

_GAMMA = -7046029254386353131  # 0x9E3779B97F4A7C15 as int64
_MIX1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX2 = -7723592293110705685  # 0x94D049BB133111EB


def stable_hash(*parts: object) -> int:
    """A 63-bit integer that depends on the text of ``parts`` only: the same in every process and on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift: int64 is signed, so the sign bits that come in on the left are masked off."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift_right(x, 30)) * _MIX1
    x = (x ^ _shift_right(x, 27)) * _MIX2
    return x ^ _shift_right(x, 31)


class Rng:
    """Random numbers for samples.

    Args:
        seed: the run's seed.
        labels: what the numbers are for; two generators with different labels are independent.

    >>> rng = Rng(0, "noise")
    >>> both, alone = rng.uniform(torch.tensor([7, 8]), (3,)), rng.uniform(torch.tensor([8]), (3,))
    >>> torch.equal(both[1], alone[0])  # sample 8 gets its numbers whoever stands beside it
    True
    """

    def __init__(self, seed: int, *labels: object) -> None:
        self.seed = int(seed)
        self.labels = tuple(str(label) for label in labels)
        self._key = stable_hash(self.seed, *self.labels)

    def child(self, *labels: object) -> Rng:
        """An independent generator derived from this one."""
        return Rng(self.seed, *self.labels, *labels)

    def bits(self, ids: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(N, *shape) int64, 64 random bits each, for (N,) int64 sample ids."""
        count = math.prod(shape)
        ids = ids.to(torch.int64).reshape(-1, 1)
        start = _mix(ids * _GAMMA + self._key)  # (N, 1): one stream per sample
        steps = torch.arange(1, count + 1, dtype=torch.int64, device=ids.device).reshape(1, -1)
        return _mix(start + steps * _GAMMA).reshape(ids.shape[0], *shape)

    def uniform(self, ids: Tensor, shape: tuple[int, ...] = ()) -> Tensor:
        """(N, *shape) float32 in (0, 1), never 0 or 1."""
        # 23 bits and half a step: the largest value, 1 - 2^-24, is still a float32 below 1.
        return (_shift_right(self.bits(ids, shape), 41).to(torch.float32) + 0.5) * 2.0**-23

    def normal(self, ids: Tensor, shape: tuple[int, ...] = ()) -> Tensor:
        """(N, *shape) float32, standard normal, by the inverse distribution function."""
        return (torch.erfinv(2 * self.uniform(ids, shape).double() - 1) * math.sqrt(2)).float()

    def laplace(self, ids: Tensor, shape: tuple[int, ...] = ()) -> Tensor:
        """(N, *shape) float32, Laplace of scale 1 (standard deviation sqrt 2).

        An exponential with a random sign, from numpy's counter-based generator keyed by sample: noise on a map takes
        10^6 values per picture, and this is three times as fast as mixing them one by one.
        """
        count = math.prod(shape)
        drawn = np.empty((len(ids), count), np.float32)
        for row, key in enumerate(_mix(ids.to(torch.int64).cpu() * _GAMMA + self._key).tolist()):
            generator = np.random.Generator(np.random.Philox(key=key & 0xFFFFFFFFFFFFFFFF))
            generator.standard_exponential(out=drawn[row], dtype=np.float32)
            signs = np.unpackbits(np.frombuffer(generator.bytes((count + 7) // 8), np.uint8), count=count)
            drawn[row] *= 1 - 2 * signs.astype(np.float32)
        return torch.from_numpy(drawn).reshape(len(ids), *shape).to(ids.device)

    def permutation(self, ids: Tensor, n: int) -> Tensor:
        """(N, n) int64, one uniformly random permutation of 0..n-1 per sample."""
        return self.bits(ids, (n,)).argsort(dim=1)

    def numpy(self) -> np.random.Generator:
        """A numpy generator for what is not per sample (bootstrap, shuffles)."""
        return np.random.default_rng(self._key)

    def torch(self) -> torch.Generator:
        """A CPU torch generator for what is not per sample (network initialisation, epoch order)."""
        return torch.Generator().manual_seed(self._key)

    @contextlib.contextmanager
    def seeds_torch(self) -> Iterator[None]:
        """Within, torch's global CPU generator starts from this seed; afterwards it is as it was.

        Layers draw their first weights from it: without this, a network would depend on what ran before it.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._key)
            yield


def sample_ids(names: list[str]) -> Tensor:
    """(N,) int64: the stable number of each sample name."""
    return torch.tensor([stable_hash(name) for name in names], dtype=torch.int64)


def presentation_ids(ids: Tensor, presentation: int | Tensor) -> Tensor:
    """(N,) int64 ids of the ``presentation``-th time each sample is shown: fresh secrets, still reproducible.

    ``presentation`` is one number for all, or (N,) int64.
    """
    return _mix(ids * _GAMMA + presentation + 1)
