"""The frequency front end against the papers' way (up-sample, cut, transform): `make perf`. CPU time, one thread."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.nets.bdct import CHANNELS, bdct, dct_matrix, fast_bdct, to_ycbcr
from torch import Tensor


def upsampled(x: Tensor) -> Tensor:
    """As released: the picture at eight times its side, block by block."""
    h, w = x.shape[-2:]
    up = F.interpolate(to_ycbcr(x), (8 * h, 8 * w), mode="bilinear", align_corners=True)
    blocks = up.unfold(2, 8, 8).unfold(3, 8, 8)  # (N, 3, h, w, 8, 8)
    dct = dct_matrix().float()
    return (dct @ blocks @ dct.T).permute(0, 1, 4, 5, 2, 3).reshape(len(x), CHANNELS, h, w)


def cost(transform: Callable[[Tensor], Tensor], x: Tensor) -> float:
    transform(x)
    times = []
    for _ in range(5):
        start = time.process_time()
        transform(x)
        times.append(time.process_time() - start)
    return min(times) / len(x)


@pytest.mark.perf
def test_matrix_products_and_convolution_beat_upsampling() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        x = torch.rand(16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(upsampled(x), bdct(x), atol=2e-3)
        slow, exact, fast = (cost(f, x) for f in (upsampled, bdct, fast_bdct))
    finally:
        torch.set_num_threads(threads)
    print(
        f"\n64 x 64: up-sampling {1e3 * slow:.1f} ms, products {1e3 * exact:.1f} ms, 3x3 {1e3 * fast:.1f} ms a picture"
    )
    assert slow > 4 * fast
