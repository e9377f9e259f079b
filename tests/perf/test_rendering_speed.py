"""Images per second of the renderer, as a data set uses it: `make perf`. Asks for an otherwise idle machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DATASETS
from faceleak.bench.store.store import Store
from faceleak.datasets.base import LoadContext
from faceleak.datasets.rendering import FaceParameters, render, sample_identity, sample_nuisance


@pytest.mark.perf
def test_one_thread() -> None:
    ids = torch.arange(128)  # as many as the data set hands to a process at a time
    parameters = FaceParameters(sample_identity(0, ids), sample_nuisance(0, ids, ids))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        render(parameters, 64, ids)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            render(parameters, 64, ids)
            times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    speed = len(ids) / min(times)
    print(f"\none thread: {speed:.0f} images/s at 64 x 64")
    assert speed > 200


@pytest.mark.perf
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="asks for two cores")
def test_a_data_set_of_ten_thousand(tmp_path: Path) -> None:
    """A process per core; starting them is part of it."""
    dataset = DATASETS.get("synthetic")({"identities": (500,), "images": (20,)})
    start = time.perf_counter()
    dataset.load(LoadContext(Store(tmp_path).get, Progress()))
    speed = 10_000 / (time.perf_counter() - start)
    print(f"\n{os.cpu_count()} processes: {speed:.0f} images/s at 64 x 64, decoded to disk")
    assert speed > 400
