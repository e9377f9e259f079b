"""Does the recovered picture look like the original: per picture, and as sets in the judges' features."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ..core.faces import resize
from ..core.registry import register_measurement
from ..core.seeding import stable_hash
from ..core.surfaces import Role
from ..leak.leaked import other_images
from ..metrics.distribution import frechet_distance
from ..record.metrics import Metric
from ..record.results import Row
from . import flags
from .base import Flag, Kept, Measurement
from .case import Case
from .evidence import under
from .likeness import FLOORS, LEAST_FID, PAIRED, SETS, TOO_FEW_IMAGES, likeness, likeness_rows
from .rows import Rules, counted, refused, row_of

_FEATURES = "/recovered"
HASHED = 4  # of so many cells one keeps the hash of every recovered picture, so that scores can be checked from them


@register_measurement("pictures")
class Pictures(Measurement):
    """At the recovery's resolution, averaged by person; ``fd_JUDGE`` is a Frechet distance in that judge's space, with
    that of real photographs beside it."""

    metrics: ClassVar = (
        *PAIRED, *SETS, *FLOORS,
        Metric("fd_{judge}_floor", "squared distance", "", "The same distance of other photographs of these people: "
               "what a perfect copy would have.", per=frozenset({"judge"})),
        Metric("fd_{judge}", "squared distance", "lower", "Frechet distance of the judge's embeddings of recovered "
               "and original pictures.", per=frozenset({"judge"})),
    )  # fmt: skip

    def skip(self, case: Case) -> str:
        return "" if case.recovery.images is not None else "No picture was recovered."

    def observe(self, case: Case) -> Kept:
        """``likeness`` and by ``JUDGE/``: embeddings of recovered, original and other real pictures; what the
        flags ask; of a sample of cells ``recovered_sha256`` (L, 32), with ``shown`` (S,) of ``pictures``."""
        y = case.recovery.images
        assert y is not None
        once = np.unique(case.leaked.index.numpy(), return_index=True)[1]
        other = other_images(case.leaked.faces, case.leaked.index[once])
        real = resize(case.leaked.faces.images(other), y.shape[-1])
        kept = likeness(y, case.originals, case.owner, real, once)
        for judge in case.judges:
            known = judge.embeddings(case.leaked.faces.name)
            shown = {"recovered": judge.embed(y), "original": known[case.leaked.index].numpy()}
            kept |= under(judge.name, shown | {"real": known[other].numpy()})
        if stable_hash("hashed", *case.cell.labels().values()) % HASHED == 0:
            kept |= {"recovered_sha256": np.stack([picture_sha(one) for one in as_bytes(y)]), "shown": _shown(case)}
        kept |= {
            "aligned": np.array(case.attack.aligned), "attack": np.array(case.attack.role is Role.ATTACK)
        }  # fmt: skip
        if len(y) > 1:
            apart = (y - y.roll(1, 0)).flatten(1).square().mean(1).sqrt().median()
            kept["spread"] = np.array(float(apart))
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        yield from likeness_rows(kept, rules)
        floor, metric = self.metrics[-2:]
        for judge in [name.removesuffix(_FEATURES) for name in kept if name.endswith(_FEATURES)]:
            recovered, original, real = (kept[f"{judge}/{name}"] for name in ("recovered", "original", "real"))
            pairs = ((metric, "", recovered, original), (floor, "_floor", real, original[kept["once"]]))
            for one, end, some, others in pairs:
                row = row_of(one, name=f"fd_{judge}{end}", judge=judge)
                if len(some) < LEAST_FID:
                    yield refused(row, TOO_FEW_IMAGES)
                else:
                    yield counted(one, row, frechet_distance(some, others), len(some), "images")

    def flags(self, kept: Kept, rules: Rules) -> Iterator[Flag]:
        if "spread" in kept and kept["attack"]:
            yield from flags.spread_flag(float(kept["spread"]))
        if not kept["aligned"]:
            yield from flags.alignment_flag()

    def pictures(self, case: Case) -> Mapping[str, Tensor]:
        """The first victims in the order of a hash of their identity: the same in every cell, not hand-picked."""
        victims, y, x = case.leaked, case.recovery.images, case.originals
        assert y is not None
        shown = torch.from_numpy(_shown(case))
        judge = case.judges[-1]  # an independent one where there is one
        z = judge.embeddings(victims.faces.name)[victims.index[shown]]
        found = {
            "original": as_bytes(x[shown]),
            "recovered": as_bytes(y[shown]),
            "cosine": (torch.from_numpy(judge.embed(y[shown])) * z).sum(1),
        }
        leak = victims.leak
        if isinstance(leak, Tensor) and leak.ndim == 4 and leak.shape[1] == 3:
            found["leak"] = as_bytes(resize(leak[shown].float().clamp(0, 1).cpu(), y.shape[-1]))
        return found


def _shown(case: Case) -> np.ndarray:
    """(S,) which recoveries the page shows."""
    protocol = case.protocol
    return np.arange(len(case.leaked.index))[:: max(1, protocol.leaks_per_identity)][: protocol.pictures]


def picture_sha(picture: Tensor) -> np.ndarray:
    """(32,) uint8: sha256 of a picture (3, s, s) of ``as_bytes``, channel by channel, row by row."""
    return np.frombuffer(hashlib.sha256(picture.numpy().tobytes()).digest(), np.uint8)


def as_bytes(images: Tensor) -> Tensor:
    """(N, 3, s, s) in [0, 1] -> uint8."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8).contiguous()
