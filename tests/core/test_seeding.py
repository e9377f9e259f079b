"""Per-sample randomness: distribution, independence of batch and order, stability."""

from __future__ import annotations

import pytest
import torch
from faceleak.bench.core.seeding import Rng, presentation_ids, sample_ids, stable_hash
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

IDS = torch.arange(400)


@pytest.mark.parametrize(
    ("draw", "law"), [("uniform", stats.uniform()), ("normal", stats.norm()), ("laplace", stats.laplace())]
)
def test_draws_follow_their_law(draw: str, law: object) -> None:
    values = getattr(Rng(3, "law"), draw)(IDS, (50,)).flatten().numpy()
    assert stats.kstest(values, law.cdf).pvalue > 1e-3


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20, unique=True), st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_a_sample_does_not_see_its_batch_mates(ids: list[int], seed: int) -> None:
    together = Rng(seed, "x").normal(torch.tensor(ids), (3,))
    alone = torch.cat([Rng(seed, "x").normal(torch.tensor([i]), (3,)) for i in ids])
    backwards = Rng(seed, "x").normal(torch.tensor(ids[::-1]), (3,)).flip(0)
    assert torch.equal(together, alone)
    assert torch.equal(together, backwards)


def test_labels_seeds_and_samples_are_independent() -> None:
    base = Rng(0, "a").normal(IDS, (64,))
    for other in (Rng(1, "a").normal(IDS, (64,)), Rng(0, "b").normal(IDS, (64,)), base.roll(1, 0), base.roll(1, 1)):
        assert abs(float(torch.corrcoef(torch.stack([base.flatten(), other.flatten()]))[0, 1])) < 0.03


def test_uniform_never_reaches_its_ends() -> None:
    values = Rng(0, "ends").uniform(torch.arange(20_000), (50,))
    assert float(values.min()) > 0
    assert float(values.max()) < 1


def test_permutations_are_permutations_and_uniform() -> None:
    order = Rng(0, "p").permutation(torch.arange(6000), 3)
    assert torch.equal(order.sort(1).values, torch.arange(3).expand(6000, 3))
    counts = torch.bincount((order * torch.tensor([9, 3, 1])).sum(1)).numpy()
    assert stats.chisquare(counts[counts > 0]).pvalue > 1e-3
    assert (counts > 0).sum() == 6


def test_presentations_are_fresh_and_reproducible() -> None:
    ids = sample_ids(["a", "b"])
    first, second = presentation_ids(ids, 0), presentation_ids(ids, 1)
    assert len({*first.tolist(), *second.tolist()}) == 4
    assert torch.equal(presentation_ids(ids, torch.tensor([0, 1])), torch.stack([first[0], second[1]]))


def test_golden_values_do_not_drift() -> None:
    """Every cached artefact and every committed board rests on these."""
    assert stable_hash("faceleak", 1) == 3858836414579030262
    expected = torch.tensor([[0.854871928691864, 0.52315753698349, 0.6461499333381653]])
    assert torch.equal(Rng(0, "golden").uniform(torch.tensor([7]), (3,)), expected)
    assert stable_hash("a", "bc") != stable_hash("ab", "c")
