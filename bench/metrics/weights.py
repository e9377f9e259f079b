"""Finding and reading the weights of perceptual metrics: from a local folder, never from the network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from ..core.pickles import load_tensors
from .arrays import MetricInputError, MetricUnavailable

WEIGHTS_VARIABLE = "FACELEAK_WEIGHTS"
SUFFIXES = (".pth", ".pt", ".safetensors")


class WeightsMismatch(MetricInputError):
    """A weights file was found but does not fit the network; the message names keys."""


def find_weights(metric: str, official: str, patterns: Sequence[str], place: str | Path | None = None) -> Path:
    """The weights file of a metric.

    Args:
        metric: name of the metric, for the message.
        official: file name under which the weights are published; taken first.
        patterns: glob patterns (without suffix) that are accepted otherwise, if exactly one file matches.
        place: a file, or a folder to look in; None = the folder named by the variable FACELEAK_WEIGHTS.

    Returns:
        Path of an existing file.

    Raises:
        MetricUnavailable: no folder is given, or it holds no matching file, or several.
    """
    given = place if place is not None else os.environ.get(WEIGHTS_VARIABLE)
    remedy = f"put the file there; torch's cache (~/.cache/torch/hub/checkpoints) may already have {official}"
    if not given:
        raise MetricUnavailable(
            f"{metric} needs {official}, but {WEIGHTS_VARIABLE} is not set: point it to a folder and {remedy}"
        )
    root = Path(given).expanduser()
    if root.is_file():
        return root
    if (root / official).is_file():
        return root / official
    found = sorted({f for p in patterns for s in SUFFIXES for f in root.glob(p + s)}) if root.is_dir() else []
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f.name for f in found)
        raise MetricUnavailable(f"{metric} needs {official}; {root} has several candidates ({names}): keep one")
    raise MetricUnavailable(f"{metric} needs {official} (or {', '.join(patterns)}), looked for in {root}: {remedy}")


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict (name -> tensor) from a torch checkpoint (tensors only) or a safetensors file.

    Raises:
        WeightsMismatch: the file cannot be read, or is not a flat dict of tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = load_tensors(path)
    except Exception as error:  # safetensors, zipfile, pickle: no common base class
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise WeightsMismatch(
            f"{path} is not a readable weights file ({type(error).__name__}: {reason}); copy it again"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsMismatch(f"{path} is no flat dict of tensors; save the network's state_dict() there")
    return state


def fill(module: nn.Module, state: dict[str, Tensor], source: Path) -> nn.Module:
    """Give a network that was built on the meta device its weights, all of them, then freeze it.

    Building on meta costs no time and draws nothing from the global random generator.

    Args:
        module: network whose parameters are (partly) on the meta device.
        state: name -> tensor; must cover every parameter and buffer that is still on meta, and nothing else.
        source: the file they come from, for the message.

    Returns:
        The same module, float32, in eval mode, without gradients.

    Raises:
        WeightsMismatch: names are missing or unknown, or a shape differs.
    """
    try:
        report = module.load_state_dict(state, strict=False, assign=True)
    except RuntimeError as error:
        raise WeightsMismatch(f"{source} does not fit {type(module).__name__}: {error}") from error
    tensors = [*module.named_parameters(), *module.named_buffers()]
    empty = [name for name, tensor in tensors if tensor.is_meta]
    if empty or report.unexpected_keys:
        missing, unknown = ", ".join(empty[:3]) or "none", ", ".join(report.unexpected_keys[:3]) or "none"
        raise WeightsMismatch(
            f"{source} does not fit {type(module).__name__} (missing {len(empty)}: {missing}; unknown "
            f"{len(report.unexpected_keys)}: {unknown}); use the published file of this architecture"
        )
    return module.float().eval().requires_grad_(False)
