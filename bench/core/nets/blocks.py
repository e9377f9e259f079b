"""What the small networks share: reproducible initialisation and the convolution-norm-activation stack."""

from __future__ import annotations

import torch
from torch import nn

from ..errors import ContractError


def conv_bn(c_in: int, c_out: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias (the norm has one) and batch norm: (N, c_in, h, w) -> (N, c_out, h/stride, w/stride)."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))


class EmbeddingHead(nn.Module):
    """(N, C, h, w) -> (N, D): pooled to ``grid`` x ``grid`` cells, flattened, projected, batch norm.

    Cells instead of one global average: faces are aligned, so where a feature sits tells as much as that it is there.
    The pooling also makes the network independent of the size of its input.
    """

    def __init__(self, channels: int, dim: int, grid: int = 4) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.project = nn.Linear(channels * grid * grid, dim, bias=False)
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) -> (N, D) of any norm."""
        z: torch.Tensor = self.norm(self.project(self.pool(x).flatten(1)))
        return z


@torch.no_grad()
def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight anew from ``generator`` (He et al. 2015, fan out), leaving the global generator alone.

    Call it on the CPU, before ``module.to(device)``: the same seed then gives the same weights on every device.

    Raises:
        ContractError: a layer holds parameters that this function does not know how to draw.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear", generator=generator)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_running_stats()
            nn.init.ones_(layer.weight)
        elif isinstance(layer, nn.PReLU):
            nn.init.constant_(layer.weight, 0.25)
        elif next(layer.parameters(recurse=False), None) is not None:
            raise ContractError(f"initialise does not know {type(layer).__name__} (layer {name!r}); add a rule for it.")
        bias = getattr(layer, "bias", None)
        if isinstance(bias, nn.Parameter):
            nn.init.zeros_(bias)
