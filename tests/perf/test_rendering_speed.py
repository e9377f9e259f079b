"""Images per second of the renderer: `pytest tests/perf/test_rendering_speed.py -m perf -s`."""

from __future__ import annotations

import time

import pytest
import torch
from faceleak.datasets.rendering import FaceParameters, render, sample_identity, sample_nuisance


@pytest.mark.perf
@pytest.mark.parametrize(("threads", "wanted"), [(1, 220), (2, 400)])
def test_images_per_second(threads: int, wanted: float, record_property: pytest.RecordProperty) -> None:
    ids = torch.arange(256)
    parameters = FaceParameters(sample_identity(0, ids), sample_nuisance(0, ids, ids))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        render(parameters, 64, ids)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            render(parameters, 64, ids)
            times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    speed = len(ids) / min(times)
    record_property("images_per_second", round(speed))
    print(f"\n{threads} thread(s): {speed:.0f} images/s at 64 x 64")
    assert speed > wanted
