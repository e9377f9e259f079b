"""How torch computes, told from the harness to a plug-in's process: the same last bits need the same arithmetic."""

from __future__ import annotations

from typing import Any

import torch


def arithmetic() -> dict[str, Any]:
    """How torch computes in this process."""
    return {
        "threads": torch.get_num_threads(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "matmul": torch.get_float32_matmul_precision(),
        "tf32": torch.backends.cudnn.allow_tf32,
        "benchmark": torch.backends.cudnn.benchmark,
    }


def set_arithmetic(wanted: dict[str, Any]) -> None:
    """Compute as the harness does."""
    torch.set_num_threads(wanted["threads"])
    torch.set_deterministic_debug_mode(wanted["deterministic"])
    torch.set_float32_matmul_precision(wanted["matmul"])
    torch.backends.cudnn.allow_tf32 = wanted["tf32"]
    torch.backends.cudnn.benchmark = wanted["benchmark"]
