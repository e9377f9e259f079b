"""Settings of the noise that would void its account."""

from __future__ import annotations

import pytest
from faceleak.bench.core.errors import InputError
from systems import ToySystem


@pytest.mark.parametrize("delta", [-1e-5, 0.0, 1.0])
def test_delta_is_a_probability(delta: float) -> None:
    with pytest.raises(InputError, match=r"delta must (lie in \(0, 1\)|not be negative)"):
        ToySystem("gaussian-noise", {"delta": delta})
