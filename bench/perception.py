"""LPIPS, FID and KID rows: from local backbones, or absent with the reason. Never replaced by something else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from .core.seeding import Rng
from .metrics.perceptual import Fid, Lpips, MetricUnavailable
from .schema import Row

if TYPE_CHECKING:
    from .scoring import Scored

LEAST_FID = 50  # images; below it neither FID nor KID says anything


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


def perceptual_rows(
    y: Tensor, x: Tensor, owner: np.ndarray, add: Callable[[str, Tensor, str, bool], Any], scored: Scored, rng: Rng
) -> None:
    """Append the rows for recoveries ``y`` and originals ``x``, both (L, 3, s, s).

    Args:
        y: recovered pictures.
        x: originals at the same size.
        owner: (L,) identity of each.
        add: appends a per-image metric with its interval.
        scored: where rows and reasons go.
        rng: for KID's subsets.
    """
    lpips = _lpips()
    if isinstance(lpips, str):
        _absent(scored, "lpips", lpips)
    else:
        add("lpips", lpips(y, x).cpu(), lpips.name, False)
    fid = _fid()
    for name in ("fid", "kid"):
        if isinstance(fid, str):
            _absent(scored, name, fid)
        elif len(y) < LEAST_FID:
            _absent(scored, name, f"{len(y)} images; at least {LEAST_FID} are needed for a distance of sets.")
    if isinstance(fid, Fid) and len(y) >= LEAST_FID:
        value = fid.fid(x, y)
        scored.rows.append(_row("fid", value, len(y)))
        found = fid.kid(x, y, rng.numpy(), subset_size=min(100, len(y)))
        scored.rows.append(_row("kid", found.value, len(y)))


def _row(metric: str, value: float, n: int) -> Row:
    return {"metric": metric, "split": "victims", "value": value, "n": n, "n_unit": "images", "higher_is_better": False}


def _absent(scored: Scored, metric: str, reason: str) -> None:
    scored.absent[metric] = reason
    scored.rows.append({"metric": metric, "split": "victims", "status": "absent"})
