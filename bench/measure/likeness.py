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
from .rows import Rules, absent, counted, measured, per_identity, refused, row_of

LEAST_FID = 50  # images; below it no distance of sets says anything
TOO_FEW_IMAGES = f"fewer than {LEAST_FID} images"
PAIRED = (
    Metric("psnr", "dB", "higher", "Pixel likeness to the original, in decibels."),
    Metric("ssim", "1", "higher", "Structural likeness to the original."),
    Metric("lpips", "lpips_alex", "lower", "Perceptual distance to the original, by a network."),
)
SETS = (
    Metric("fid", "", "lower", "Frechet distance of Inception features between the pictures and the originals."),
    Metric("kid", "", "lower", "Kernel distance of Inception features between the pictures and the originals."),
)
FLOORS = (
    Metric("fid_floor", "", "", "The FID of other photographs of the same people: what a perfect copy would have."),
    Metric("kid_floor", "", "", "The KID of other photographs of the same people."),
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


def likeness(y: Tensor, x: Tensor, owner: np.ndarray, real: Tensor, once: np.ndarray) -> Kept:
    """What the rows about pictures ``y`` and their originals ``x``, both (L, 3, s, s) in [0, 1], follow from.

    Args:
        y: pictures.
        x: originals at the same size.
        owner: (L,) identity of each.
        real: (V, 3, s, s) another photograph behind each different original.
        once: (V,) where each different original stands.

    Returns:
        ``owner``, ``psnr`` and ``ssim`` (L,), ``once``; ``lpips`` (L,) or ``lpips_absent``, the reason; ``inception_x``
        and ``inception_y`` (L, 2048) and ``inception_real`` (V, 2048), or ``inception_absent``, or none of them where
        there are too few pictures.
    """
    kept = {"owner": owner, "psnr": psnr(y, x).numpy(), "ssim": ssim(y, x).numpy(), "once": once}
    lpips, fid = _lpips(), _fid()
    if isinstance(lpips, str):
        kept["lpips_absent"] = np.array(lpips)
    else:
        kept["lpips"] = lpips(y, x).cpu().numpy()
    if isinstance(fid, str):
        kept["inception_absent"] = np.array(fid)
    elif len(y) >= LEAST_FID:  # single precision is what the network gives
        sets = {"x": x, "y": y} | ({"real": real} if len(real) >= LEAST_FID else {})
        kept |= {f"inception_{name}": fid.features(one).astype(np.float32) for name, one in sets.items()}
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
        yield from (absent(row_of(metric), str(kept["inception_absent"])) for metric in (*SETS, *FLOORS))
        return
    if "inception_x" not in kept:
        yield from (refused(row_of(metric), TOO_FEW_IMAGES) for metric in (*SETS, *FLOORS))
        return
    x, y = (kept[name].astype(np.float64) for name in ("inception_x", "inception_y"))
    for metric, value in zip(SETS, _distances(x, y, rules)):
        yield counted(metric, row_of(metric), value, len(y), "images")
    if "inception_real" not in kept:
        yield from (refused(row_of(metric), TOO_FEW_IMAGES) for metric in FLOORS)
        return
    real = kept["inception_real"].astype(np.float64)
    for metric, value in zip(FLOORS, _distances(x[kept["once"]], real, rules)):
        yield counted(metric, row_of(metric), value, len(real), "images")


def _distances(x: np.ndarray, y: np.ndarray, rules: Rules) -> tuple[float, float]:
    """FID and KID of two sets of features."""
    near = kid(x, y, rules.rng("kid"), subset_size=min(100, len(y))).value
    return frechet_distance(x, y), near
