"""Who gets a published picture back. Reversible defences are turned back with the right key, with the right key after
8-bit storage, with somebody else's, with one bit flipped, and with the right key but a black picture in place of the
published one: where that loses nothing, the key *is* the picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.leaks import Leak, leak_bytes, leak_map, leak_take
from ...core.registry import register_measurement
from ...leak.leaked import gallery_of
from ...metrics.quality import psnr
from ...record.metrics import Metric
from ...record.results import Row
from ..base import Kept
from ..case import Case
from ..evidence import under
from ..rows import Rules, counted, measured, per_identity, row_of
from .base import OfPublished
from .found import first

_PSNR = Metric("recovery_psnr_{way}", "dB", "higher", "Pixel likeness of what comes back with that key.")
_RANK = Metric("recovery_rank1_{way}", "fraction", "higher", "Who is found in what comes back with that key.",
               per=frozenset({"judge"}))  # fmt: skip
_KEY = Metric("key_bytes", "bytes", "lower", "Size of the key of one picture.")
_PICTURE = Metric("picture_bytes", "bytes", "", "Size of one picture, as it is.")


@register_measurement("keys")
class Keys(OfPublished):
    """PSNR of what comes back by each key, who is seen in it, and how large the key is."""

    metrics: ClassVar = (_PSNR, _RANK, _KEY, _PICTURE)

    def skip(self, case: Case) -> str:
        return super().skip(case) or ("" if case.system.reversible else "There is no way back.")

    def observe(self, case: Case) -> Kept:
        """``owner`` (V,), ``gallery_owner`` (G,); by ``WAY/``: ``psnr`` (V,) and ``JUDGE`` (V, G) scores."""
        shown, defense, device = case.shown, case.system, case.session.device
        draw = case.session.installation(case.cell.seed).draw(shown.faces.ids[shown.index])
        with torch.no_grad():
            key = leak_map(lambda part: part.cpu(), defense.make_key(shown.originals.to(device), draw))
        gallery = gallery_of(shown.faces)
        kept = {
            "owner": shown.owner, "gallery_owner": shown.faces.labels.numpy()[gallery],
            "key_bytes": np.array(leak_bytes(key)), "picture_bytes": np.array(float(shown.images[0].numel())),
        }  # fmt: skip
        for way, images in _recovered(case, key).items():
            scores = {"psnr": psnr(images, shown.originals).numpy()}
            for judge in shown.judges:
                known = judge.embeddings(shown.faces.name).numpy()[gallery]
                scores[f"by/{judge.name}"] = judge.embed(images) @ known.T
            kept |= under(f"way/{way}", scores)
        return kept

    def rows(self, kept: Kept, rules: Rules) -> Iterator[Row]:
        owner = kept["owner"]
        for place, values in kept.items():
            _, _, rest = place.partition("way/")
            way, _, what = rest.partition("/")
            if what == "psnr":
                row = row_of(_PSNR, name=f"recovery_psnr_{way}")
                yield measured(_PSNR, row, rules.mean(per_identity(values, owner)))
            elif what:
                row = row_of(_RANK, name=f"recovery_rank1_{way}", judge=what.removeprefix("by/"))
                yield measured(_RANK, row, rules.mean(first(values, owner, kept["gallery_owner"]), rate=True))
        yield counted(_KEY, row_of(_KEY), kept["key_bytes"].item())
        yield counted(_PICTURE, row_of(_PICTURE), kept["picture_bytes"].item())


def _recovered(case: Case, key: Leak) -> dict[str, Tensor]:
    """Way -> (V, 3, H, W): what comes back with the right key and with broken ones, and the most that could.

    A key of several parts is also broken part by part: ``wrong_NAME`` takes that part from somebody else.
    """
    shown, defense, device = case.shown, case.system, case.session.device
    turn = torch.arange(len(shown.index)).roll(1)
    stored = (shown.images * 255).round() / 255
    black = torch.zeros_like(shown.images)
    ways: dict[str, tuple[Tensor, Leak]] = {
        "right": (shown.images, key), "8bit": (stored, key), "wrong_key": (stored, leak_take(key, turn)),
        "one_bit": (stored, leak_map(one_bit_off, key)), "blank": (black, key),
    }  # fmt: skip
    if isinstance(key, dict):
        ways |= {f"wrong_{part}": (stored, key | {part: key[part][turn]}) for part in key}
    with torch.no_grad():
        found = {
            way: defense.recover(images.to(device), leak_map(lambda part: part.to(device), held)).cpu()
            for way, (images, held) in ways.items()
        }
        most = defense.round_trip(shown.originals.to(device))
    return found if most is None else found | {"ceiling": most.cpu()}


def one_bit_off(part: Tensor) -> Tensor:
    """``part`` with one bit of every row flipped: of whole numbers the first one's lowest, of floats its sign."""
    broken = part.clone()
    first_of = broken.flatten(1)
    if part.is_floating_point():
        first_of[:, 0] = -first_of[:, 0]
    else:
        first_of[:, 0] = first_of[:, 0] ^ 1
    return first_of.reshape(part.shape)
