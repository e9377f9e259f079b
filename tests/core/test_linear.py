"""The closed form against sklearn, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from faceleak.bench.core.linear import ridge
from sklearn.linear_model import Ridge


@pytest.mark.parametrize("penalty", [1e-6, 0.1, 10.0])
def test_it_is_the_ridge_regression_of_sklearn(penalty: float) -> None:
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(60, 7, generator=draws) + 3
    y = x[:, :2] @ torch.randn(2, 4, generator=draws) + torch.randn(60, 4, generator=draws)
    weight, offset = ridge(x, y, penalty)
    wanted = Ridge(alpha=penalty * len(x)).fit(x.double().numpy(), y.double().numpy())
    assert np.allclose(weight.T, wanted.coef_, atol=1e-6)
    assert np.allclose(offset, wanted.intercept_, atol=1e-5)


def test_a_large_penalty_leaves_the_mean() -> None:
    x, y = torch.eye(4), torch.arange(8.0).reshape(4, 2)
    weight, offset = ridge(x, y, 1e9)
    assert torch.allclose(weight, torch.zeros(4, 2).double(), atol=1e-8)
    assert torch.allclose(offset, y.double().mean(0), atol=1e-6)
