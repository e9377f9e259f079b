"""Where networks run: a name -> a device that was seen to compute."""

from __future__ import annotations

import torch

from .errors import InputError

KINDS = ("cpu", "cuda", "mps", "xpu")


def choose_device(name: str) -> torch.device:
    """The device called ``name``; ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        InputError: no such name, or this machine has no such device, or it does not compute.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    advice = "use auto, cpu, or cuda:0 where there is one"
    try:
        device = torch.device(name.lower())
    except (RuntimeError, ValueError) as error:
        raise InputError(f"device {name!r} is no device; {advice}.") from error
    if device.type not in KINDS or name.isdigit():
        raise InputError(f"device {name!r} is nothing that faceleak computes on; {advice}.")
    if device.type == "cpu":
        return torch.device("cpu")
    try:
        if float(torch.ones(2, device=device).sum()) == 2:
            return device
    except Exception as error:  # each backend raises another kind where it is absent
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"device {name!r}: this machine has no such device ({why}); {advice}.") from error
    raise InputError(f"device {name!r} does not add two numbers; {advice}.")
