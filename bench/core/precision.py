"""Which arithmetic a piece of code runs in: half precision where training may be quick, float32 where digits count."""

from __future__ import annotations

import contextlib

import torch


def amp(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bf16 autocast on CUDA, nothing elsewhere."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else contextlib.nullcontext()


def exactly(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """No autocast, whoever calls: bf16 keeps three digits, too few for differences of large numbers and for cosines."""
    return torch.autocast(device.type, enabled=False)
