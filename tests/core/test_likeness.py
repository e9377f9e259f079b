"""Likeness to recognisers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from faceleak.bench.core.likeness import feature_distance
from systems import faces, recognizer

X = faces()["victims"].images(torch.arange(12))


def test_it_is_one_minus_the_mean_cosine() -> None:
    both = (recognizer("toy-a"), recognizer("toy-b"))
    y = X.roll(6, 0)
    expected = sum(1 - F.cosine_similarity(one.embed(X), one.embed(y)) for one in both) / 2
    assert torch.allclose(feature_distance(both, X, y), expected, atol=1e-5)
    assert float(feature_distance(both, X, X).abs().max()) < 1e-5


def test_what_is_no_picture_is_clipped() -> None:
    """Recognisers refuse it, and networks in training draw it."""
    one = (recognizer("toy-a"),)
    assert torch.equal(feature_distance(one, 9 * X - 4, X), feature_distance(one, (9 * X - 4).clamp(0, 1), X))
