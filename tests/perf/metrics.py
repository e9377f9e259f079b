"""Searches against FAISS, picture metrics against torchmetrics, and intervals."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
import torch
from faceleak.bench.metrics.calibration import calibration
from faceleak.bench.metrics.hierarchical import rate_interval
from faceleak.bench.metrics.intervals import bootstrap_identities, resample_weights
from faceleak.bench.metrics.quality import psnr, ssim
from faceleak.bench.metrics.searching import search
from perf.large_gallery import probes_and_mates, vectors
from perf.pairs import Measured, of, ratio, seconds
from torch import Tensor

_DEEPEST = 20  # rank that boards ask for: FAISS is asked for no more
_PEOPLE, _RESAMPLES = 1000, 10_000


def searches(toy: bool) -> Iterator[Measured]:
    """One thread. FAISS finds the 20 nearest, from which ranks to 20 can be read; ours are all ranks."""
    names = ("search", "search-faiss-engine")
    if importlib.util.find_spec("faiss") is None:
        yield from (_absent(name, "faiss-cpu", "large") for name in names)
        return
    import faiss

    faiss.omp_set_num_threads(1)
    people = vectors(2_000 if toy else 100_000, 512, 0)
    probes, own = probes_and_mates(50 if toy else 500, 512)
    rows = np.arange(len(probes)) * (len(people) // len(probes))
    people[rows] = own  # everybody is enrolled

    def theirs() -> np.ndarray:
        index = faiss.knn(probes, people, _DEEPEST, metric=faiss.METRIC_INNER_PRODUCT)[1]
        hit = index == rows[:, None]
        return np.where(hit.any(1), hit.argmax(1) + 1, _DEEPEST + 1)

    def ours(engine: str) -> np.ndarray:
        found = search(probes, people, [len(people)], people[rows], skip=rows, engine=engine)  # type: ignore[arg-type]
        return 1 + found.above[:, 0]

    for name, engine in zip(names, ("blocked", "faiss"), strict=True):
        same = np.array_equal(np.minimum(ours(engine), _DEEPEST + 1), theirs())
        note = "same ranks" if same else "OTHER RANKS"
        yield ratio(name, theirs, lambda: ours(engine), 2 if toy else 7, note)  # noqa: B023


def quality(toy: bool) -> Iterator[Measured]:
    """One thread, random pictures: torchmetrics in double precision gives our values, in single precision others."""
    names = ("ssim", "ssim-single", "psnr", "psnr-single")
    if importlib.util.find_spec("torchmetrics") is None:
        yield from (_absent(name, "torchmetrics", "perf") for name in names)
        return
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    def their_ssim(x: Tensor, y: Tensor) -> Tensor:
        # Of the whole map they take the mean, reflected borders included; ours is of places where the window fits.
        whole = structural_similarity_index_measure(x, y, data_range=1.0, reduction="none", return_full_image=True)
        return whole[1][..., 5:-5, 5:-5].mean((1, 2, 3))

    def their_psnr(x: Tensor, y: Tensor) -> Tensor:
        return peak_signal_noise_ratio(x, y, data_range=1.0, reduction="none", dim=(1, 2, 3))

    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4 if toy else 16, 3, 112, 112, generator=generator)
    y = (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    both = (("ssim", ssim, their_ssim), ("psnr", psnr, their_psnr))
    for name, own, their in both:
        yield _against(name, own, lambda: their(x.double(), y.double()), x, y, toy)  # noqa: B023
        yield _against(f"{name}-single", own, lambda: their(x, y), x, y, toy)  # noqa: B023


def _against(
    name: str, own: Callable[[Tensor, Tensor], Tensor], theirs: Callable[[], Tensor], x: Tensor, y: Tensor, toy: bool
) -> Measured:
    apart = float((own(x, y) - theirs().double()).abs().max())
    return ratio(name, theirs, lambda: own(x, y), 2 if toy else 5, f"values apart by {apart:.1e}")


def intervals(toy: bool) -> Iterator[Measured]:
    """Twenty comparisons of each of 1,000 victims; thresholds at FMR 1e-3 from 1,000 calibration people."""
    rng, goes = np.random.default_rng(0), 1 if toy else 5
    owner = np.repeat(np.arange(_PEOPLE), 20)
    scores = rng.normal(size=owner.size) + rng.normal(size=_PEOPLE)[owner]
    shares = np.bincount(owner, scores > 0.5) / 20
    resamples = 200 if toy else _RESAMPLES
    flat = [seconds(lambda: bootstrap_identities(shares, 0, resamples)) for _ in range(goes)]
    yield of("resamples", flat)
    first, second = (side.ravel() for side in np.triu_indices(_PEOPLE, 1))
    known = calibration(rng.normal(size=first.size), first, second, [1e-3])
    found = known.threshold(1e-3)
    assert found is not None

    def hierarchical() -> None:
        victims, people = (np.concatenate([*resample_weights(_PEOPLE, seed, resamples)]) for seed in (1, 2))
        rate_interval(scores, owner, found.value, known.thresholds(1e-3, people), victims)

    yield of("resamples-hierarchical", [seconds(hierarchical) for _ in range(goes)])


def _absent(name: str, package: str, extra: str) -> Measured:
    return Measured(name, None, note=f"absent: {package} is not installed: pip install --editable '.[{extra}]'")
