"""LPIPS, FID and KID from backbones that stand in for the published ones, which no test has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from faceleak.bench.measure import likeness
from faceleak.bench.measure.rows import Rules
from faceleak.bench.metrics.distribution import frechet_distance
from faceleak.bench.metrics.perceptual import Fid, Lpips
from faceleak.bench.plan.track import Protocol
from measuring import through_disk
from torch import Tensor

RULES = Rules(Protocol(bootstrap=100), 0)


class FlatLpips(Lpips):
    """The mean absolute difference."""

    def __init__(self) -> None:
        self.name = "lpips_alex"

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).abs().mean((1, 2, 3)).double()


class FlatFid(Fid):
    """Features are mean colours, in single precision as a network's are."""

    def __init__(self) -> None:
        pass

    def features(self, images: Tensor) -> np.ndarray:
        return images.mean((2, 3)).double().numpy()


@pytest.fixture(autouse=True)
def backbones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "_lpips", FlatLpips)
    monkeypatch.setattr(likeness, "_fid", FlatFid)


def pair(n: int) -> tuple[Tensor, Tensor]:
    x = torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return 0.5 * x, x


def test_rows_follow_from_kept_features() -> None:
    y, x = pair(60)
    real = x.flip(0) * 0.9
    kept = likeness.likeness(y, x, np.arange(60) // 2, real, np.arange(60))
    found = {row["metric"]: row for row in likeness.likeness_rows(through_disk(kept), RULES)}
    assert set(found) == {"psnr", "ssim", "lpips", "fid", "kid", "fid_floor", "kid_floor"}
    assert found["lpips"]["value"] == pytest.approx(float((0.5 * x).mean()), rel=1e-5)
    assert (found["lpips"]["unit"], found["lpips"]["n"]) == ("lpips_alex", 30)
    features = FlatFid()
    assert found["fid"]["value"] == frechet_distance(features.features(x), features.features(y))
    assert found["fid_floor"]["value"] == frechet_distance(features.features(x), features.features(real))
    assert 0 < found["fid_floor"]["value"] < found["fid"]["value"]
    assert found["kid"]["value"] == features.kid(x, y, RULES.rng("kid"), subset_size=60).value


def test_a_distance_of_sets_takes_fifty_pictures() -> None:
    y, x = pair(49)
    rows = likeness.likeness_rows(likeness.likeness(y, x, np.arange(49), x, np.arange(49)), RULES)
    refused = {row["metric"]: row["ci_method"] for row in rows if row.get("status") == "refused"}
    assert set(refused) == {"fid", "kid", "fid_floor", "kid_floor"}
    assert refused["fid"] == "fewer than 50 images"
    few = likeness.likeness(torch.cat([y, y]), torch.cat([x, x]), np.arange(98) % 49, x, np.arange(49))
    found = {row["metric"]: row.get("status") for row in likeness.likeness_rows(few, RULES)}
    assert (found["fid"], found["fid_floor"]) == (None, "refused"), "98 leaks, but of 49 photographs"
