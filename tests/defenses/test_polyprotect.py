"""PolyProtect by hand, and the rules that its secret keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.secrets import SecretSource
from faceleak.defenses.polyprotect import protect
from systems import ToySystem

SOME = torch.arange(100)


def test_a_small_vector_by_hand() -> None:
    v = torch.tensor([[0.5, -1.0, 2.0, 0.1, -0.2]])
    c, e = torch.tensor([3, -2, 7]), torch.tensor([2, 3, 1])
    # Windows (0.5, -1, 2) and, without overlap, (0.1, -0.2, 0): 3 a^2 - 2 b^3 + 7 c.
    assert torch.allclose(protect(v, c, e, 0), torch.tensor([[0.75 + 2 + 14, 0.03 + 0.016]]))
    # One shared element: windows start at 0 and 2.
    assert torch.allclose(protect(v, c, e, 1), torch.tensor([[16.75, 12 - 0.002 - 1.4]]))
    # Two shared elements: windows start at 0, 1, 2.
    assert torch.allclose(protect(v, c, e, 2), torch.tensor([[16.75, 3 - 16 + 0.7, 10.598]]))


@pytest.mark.parametrize(("overlap", "length"), [(0, 26), (1, 32), (2, 42), (3, 63), (4, 124)])
def test_lengths_at_128_dimensions(overlap: int, length: int) -> None:
    """ceil((n - m) / (m - o)) + 1."""
    five = torch.arange(1, 6)
    assert protect(torch.ones(2, 128), five, five, overlap).shape == (2, length)


def test_the_template_is_the_polynomial_of_the_key() -> None:
    system = ToySystem("polyprotect")
    z = ToySystem("none").deployed_leak(SOME)
    c, e = (part.numpy() for part in system.defense.polynomial(system.installation.draw(SOME)))
    v, starts = z.double().numpy(), range(0, 32 - 5 + 1, 3)
    by_hand = np.stack([(c * v[:, s : s + 5] ** e).sum(1) for s in starts], axis=1)
    assert system.deployed_leak(SOME).shape == (100, 10)  # (32 - 5) / 3 + 1: nothing to pad
    assert np.allclose(system.deployed_leak(SOME).numpy(), by_hand, atol=1e-4)


def test_coefficients_and_exponents_keep_the_rules() -> None:
    defense = ToySystem("polyprotect").defense
    seen: set[int] = set()
    for key in range(300):
        c, e = defense.polynomial(SecretSource.installation(0, key).draw(SOME[:1]))
        assert sorted(e.tolist()) == [1, 2, 3, 4, 5]
        assert len(set(c.tolist())) == 5
        seen |= set(c.tolist())
    assert seen == set(range(-50, 51)) - {0}


def test_more_overlap_tells_people_apart_better() -> None:
    """Over several keys, the agreement with the plain cosine rises with the overlap."""
    z = ToySystem("none").deployed_leak(SOME)
    plain = torch.nn.functional.cosine_similarity(z, z.roll(3, 0))
    agreement = []
    for overlap in (0, 4):
        defense, found = ToySystem("polyprotect", {"overlap": overlap}).defense, []
        for key in range(20):
            p = defense.enroll(z, SecretSource.installation(0, key).draw(SOME))
            found.append(float(torch.corrcoef(torch.stack([defense.compare(p, p.roll(3, 0)), plain]))[0, 1]))
        agreement.append(math.fsum(found) / len(found))
    assert 0.2 < agreement[0] < agreement[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"terms": 33}, r"terms must lie in 2\.\.32"),
        ({"terms": 1}, r"terms must lie in 2\.\.32"),
        ({"overlap": 5}, r"overlap must lie in 0\.\.4"),
        ({"overlap": -1}, "overlap must not be negative"),
        ({"largest": 2}, "5 distinct coefficients need largest >= 3"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ToySystem("polyprotect", settings)
