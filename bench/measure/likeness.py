"""Do two sets of pictures look alike: PSNR, SSIM, LPIPS, FID, KID. Shared by what is recovered and what is published.

LPIPS, FID and KID come from local backbones, or are absent with the reason; never replaced by something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from torch import Tensor

from ..metrics.distribution import frechet_distance, kid
from ..metrics.perceptual import Fid, Lpips, MetricUnavailable
from ..metrics.quality import psnr, ssim
from ..record.metrics import Metric
from ..record.results import Row
from .evidence import Kept
from .rows import Rules, absent, counted, measured, per_identity, row_of

LEAST_FID = 50  # images; below it neither FID nor KID says anything
PAIRED = (
    Metric("psnr", "dB", "higher", "Pixel likeness to the original, in decibels."),
    Metric("ssim", "1", "higher", "Structural likeness to the original."),
    Metric("lpips", "lpips_alex", "lower", "Perceptual distance to the original, by a network."),
)
SETS = (
    Metric("fid", "", "lower", "Frechet distance of Inception features between the pictures and the originals."),
    Metric("kid", "", "lower", "Kernel distance of Inception features between the pictures and the originals."),
)


@cache
def _lpips() -> Lpips | str:
    try:
        return Lpips("alex")
    except MetricUnavailable as error:
        return error.reason


@cache
def _fid() -> Fid | str:
    try:
        return Fid()
    except MetricUnavailable as error:
        return error.reason


def likeness(y: Tensor, x: Tensor, owner: np.ndarray) -> Kept:
    """What the rows about pictures ``y`` and their originals ``x``, both (L, 3, s, s) in [0, 1], follow from.

    Args:
        y: pictures.
        x: originals at the same size.
        owner: (L,) identity of each.

    Returns:
        ``owner``, ``psnr`` and ``ssim`` (L,); ``lpips`` (L,) or ``lpips_absent``, the reason; ``inception_x`` and
        ``inception_y`` (L, 2048) or ``inception_absent``.
    """
    kept = {"owner": owner, "psnr": psnr(y, x).numpy(), "ssim": ssim(y, x).numpy()}
    lpips, fid = _lpips(), _fid()
    if isinstance(lpips, str):
        kept["lpips_absent"] = np.array(lpips)
    else:
        kept["lpips"] = lpips(y, x).cpu().numpy()
    if isinstance(fid, str):
        kept["inception_absent"] = np.array(fid)
    elif len(y) < LEAST_FID:
        reason = f"{len(y)} images; at least {LEAST_FID} are needed for a distance of sets."
        kept["inception_absent"] = np.array(reason)
    else:  # single precision is what the network gives
        kept |= {f"inception_{name}": fid.features(one).astype(np.float32) for name, one in (("x", x), ("y", y))}
    return kept


def likeness_rows(kept: Kept, rules: Rules) -> Iterator[Row]:
    """Rows of what ``likeness`` kept."""
    for metric in PAIRED:
        row = row_of(metric)
        if metric.name in kept:
            yield measured(metric, row, rules.mean(per_identity(kept[metric.name], kept["owner"])))
        else:
            yield absent(row, str(kept[f"{metric.name}_absent"]))
    if "inception_absent" in kept:
        yield from (absent(row_of(metric), str(kept["inception_absent"])) for metric in SETS)
        return
    x, y = (kept[name].astype(np.float64) for name in ("inception_x", "inception_y"))
    near = kid(x, y, rules.rng("kid"), subset_size=min(100, len(y))).value
    for metric, value in zip(SETS, (frechet_distance(x, y), near)):
        yield counted(metric, row_of(metric), value, len(y), "images")
