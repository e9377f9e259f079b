"""Images a second of recognisers, of frequency transforms and of every defence's front end."""

from __future__ import annotations

from collections.abc import Iterator

import systems
import torch
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.nets.bdct import bdct, fast_bdct
from faceleak.bench.core.nets.iresnet import IResNet
from faceleak.bench.core.nets.mobilenet import MobileNet
from faceleak.bench.core.nets.resnet import SMALL, ResNet
from faceleak.bench.core.nets.vgg import PlainNet
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from gpu.lines import Check, Line


def speed(check: Check) -> Iterator[Line]:
    """Images a second of recognisers (random weights) and of what clients send."""
    nets = {
        "small-resnet at 64": (ResNet(3, 128, widths=SMALL), 64), "small-vgg at 64": (PlainNet(3, 128), 64),
        "small-mobilenet at 64": (MobileNet(3, 128), 64), "iresnet-18 at 112": (IResNet(18), 112),
        "iresnet-50 at 112": (IResNet(50), 112),
    }  # fmt: skip
    batch = 8 if check.toy else 128
    for name, (net, side) in nets.items():
        x, there = torch.rand(batch, 3, side, side, device=check.device), net.to(check.device).eval()
        with torch.no_grad():
            yield Line("images/s", f"recogniser {name}", round(check.rate(lambda: there(x), batch), 1), "images/s")  # noqa: B023
    x = torch.rand(batch, 3, 112, 112, device=check.device)
    for name, transform in (("bdct", bdct), ("fast bdct", fast_bdct)):
        yield Line("images/s", f"{name} at 112", round(check.rate(lambda: transform(x), batch), 1), "images/s")  # noqa: B023
    yield from _front_ends(check)


def _front_ends(check: Check) -> Iterator[Line]:
    """Of every defence that acts on what is sent, in its small form, fitted on toy faces."""
    names = [name for name in DEFENSES.names() if DEFENSES.get(name).protects is Surface.WIRE]
    for name in names[-2:] if check.toy else names:
        if check.left < 20:
            yield Line("images/s", f"front end {name}", "no time")
            continue
        try:
            attacked = systems.recognizer(systems.RECOGNIZER_OF.get(name, "toy-a")).to(check.device)
            defense = DEFENSES.get(name)(systems.small_defense(name))
            keep = lambda *parts: systems.kept("gpu-check", *parts)  # noqa: E731
            context = FitContext(attacked, systems.faces()["public"], Rng(0, "defense"), check.device, Progress(),
                                 (systems.recognizer("toy-b").to(check.device),), 32, keep)  # fmt: skip
            defense.fit(context)
            x, ids = torch.rand(32, 3, 32, 32).to(check.device), torch.arange(32)
            secret = SecretSource.installation(0).draw(ids)
            rate = check.rate(lambda: defense.leak(x, Surface.WIRE, secret), 32)  # noqa: B023
            yield Line("images/s", f"front end {name} at 32", round(rate, 1), "images/s", "works", True)
        except Exception as error:  # one that breaks must not hide the others
            note = f"{type(error).__name__}: {error}"[:200]
            yield Line("images/s", f"front end {name}", "breaks", goal="works", holds=False, note=note)
