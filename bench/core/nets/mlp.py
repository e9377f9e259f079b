"""Multi-layer perceptron for vectors."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualMlp(nn.Module):
    """Linear skip plus a two-layer network: it can be the identity, or a linear map, before it learns more.

    Args:
        dim_in: length of the input.
        dim_out: length of the output.
        width: hidden units.
    """

    def __init__(self, dim_in: int, dim_out: int, width: int = 512) -> None:
        super().__init__()
        self.skip = nn.Linear(dim_in, dim_out)
        self.body = nn.Sequential(
            nn.Linear(dim_in, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, width), nn.GELU()
        )
        self.head = nn.Linear(width, dim_out)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, dim_in) -> (N, dim_out)."""
        return self.skip(x) + self.head(self.body(x))  # type: ignore[no-any-return]
