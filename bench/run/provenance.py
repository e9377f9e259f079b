"""Where a number comes from: code, versions, machine, data, weights."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ..._version import __version__

_PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy", "onnxruntime", "onnx2torch", "timm", "lpips")


def git_state(root: Path) -> tuple[str, bool]:
    """(commit, whether tracked files differ from it); ("", False) outside a checkout."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20)  # nosec B607
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        top = git("rev-parse", "--show-toplevel")
        if not top or Path(top).resolve() != root.resolve():
            return "", False
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.TimeoutExpired):
        return "", False


def spoken(argv: Sequence[str]) -> list[str]:
    """The words of a command that decide what is computed: without the folders of this machine that it wrote to."""
    kept: list[str] = []
    skip = False
    for word in argv:
        place = word in ("--out", "--store")
        if not skip and not place and not word.startswith(("--out=", "--store=")):
            kept.append(word)
        skip = place
    return kept


@cache
def environment(device: torch.device) -> dict[str, Any]:
    """Versions and machine."""
    sha, dirty = git_state(Path(__file__).resolve().parent.parent.parent)
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {
        "faceleak": __version__,
        "code_sha": sha,
        "dirty": dirty,
        "python": platform.python_version(),
        "versions": versions,
        "torch": torch.__version__,
        "device": device_name(device),
        "cpu": _cpu(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "os": platform.platform(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "argv": spoken(sys.argv[1:]),
    }


def device_name(device: torch.device) -> str:
    """``cpu`` or the accelerator's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def now() -> str:
    """This moment (UTC), to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
