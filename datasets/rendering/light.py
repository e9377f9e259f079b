"""Light on a head: a spherical-harmonic sky, a soft key lamp, a shine, all in the head's own frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .layout import Layout


@dataclass(frozen=True)
class Light:
    """Attributes:
    key: (N, 3) unit vector towards the lamp, half: (N, 3) half-way between lamp and camera, both in the head's frame.
    up, side: (N, 3) camera axes in the head's frame.
    key_colour, fill_colour: (N, 3) linear RGB.
    quadratic: (N, 3) second-order terms of the sky.
    fill_side, wrap, shine: (N, 1, 1).
    """

    key: Tensor
    half: Tensor
    up: Tensor
    side: Tensor
    key_colour: Tensor
    fill_colour: Tensor
    quadratic: Tensor
    fill_side: Tensor
    sky: Tensor
    wrap: Tensor
    shine: Tensor


def _tinted(warm: Tensor, green: Tensor, strength: Tensor) -> Tensor:
    """(N, 3): light of the given colour temperature (warm > 0) and green-magenta tint."""
    return strength * torch.cat([torch.exp(0.9 * warm), torch.exp(green), torch.exp(-1.3 * warm)], dim=1)


def lights(f: Layout, rotation: Tensor) -> Light:
    """Draw the lamps; `rotation` (N, 3, 3) takes the head's frame to the camera's."""

    def column(name: str) -> Tensor:
        return f.how[name].reshape(-1, 1)

    x, y = 0.75 * column("light_x"), 0.35 + 0.45 * column("light_y")
    towards = torch.cat([x, y, torch.full_like(x, 0.9)], dim=1)
    towards = towards * (x * x + y * y + 0.81).rsqrt()
    halfway = towards + towards.new_tensor([0.0, 0.0, 1.0])
    halfway = halfway / halfway.square().sum(1, keepdim=True).sqrt()

    def to_head(v: Tensor) -> Tensor:
        return v[:, 0:1] * rotation[:, 0] + v[:, 1:2] * rotation[:, 1] + v[:, 2:3] * rotation[:, 2]

    warm = 0.13 * column("temperature")
    key = 0.92 * torch.exp(0.40 * column("key_intensity"))
    return Light(
        key=to_head(towards), half=to_head(halfway), up=rotation[:, 1], side=rotation[:, 0],
        key_colour=_tinted(warm, 0.035 * column("tint"), key),
        fill_colour=_tinted(0.6 * warm + 0.10 * column("fill_temperature"), 0.03 * column("tint"), 0.38 + 0 * key),
        quadratic=torch.cat([0.10 * column(f"sh_{k}") for k in ("one", "two", "three")], dim=1),
        fill_side=0.22 * f.how["fill_side"], sky=0.18 + 0.16 * f.how["sky"],
        wrap=(0.22 - 0.08 * f.how["key_hardness"]).clamp(0.02, 0.5),
        shine=(0.15 + 0.07 * f.how["specular"]).clamp(min=0.0),
    )  # fmt: skip


def _dot(n: Tensor, v: Tensor) -> Tensor:
    v = v[:, :, None, None]
    return (n[:, 0] * v[:, 0]).add_(n[:, 1] * v[:, 1]).add_(n[:, 2] * v[:, 2])


def illuminate(light: Light, normal: Tensor, albedo: Tensor, gloss: Tensor, sky_seen: Tensor) -> Tensor:
    """Radiance towards the camera.

    Args:
        light: the lamps.
        normal: (N, 3, h, w) unit, in the head's frame.
        albedo: (N, 3, h, w) linear RGB.
        gloss: (N, h, w) specular strength, about 1.
        sky_seen: (N, h, w) ambient occlusion.

    Returns:
        (N, 3, h, w) linear RGB.
    """
    # In place wherever that can be: what takes time here is memory.
    lift, across = _dot(normal, light.up), _dot(normal, light.side)
    q, open_sky = light.quadratic[:, :, None, None], sky_seen.sqrt()
    fill = (light.sky * lift).add_(1).add_(light.fill_side * across)
    fill.add_((q[:, 0] * lift).mul_(across)).add_((1.5 * across).mul_(across).sub_(0.5).mul_(q[:, 1]))
    fill.add_((q[:, 2] * lift).mul_(lift)).clamp_(min=0.1).mul_(sky_seen)
    key = _dot(normal, light.key).add_(light.wrap)
    # Blood scatters red light past the terminator: red wraps further round.
    key_red = (key + 0.15).div_(1.15 + light.wrap).clamp_(min=0).mul_(open_sky)
    key.div_(1 + light.wrap).clamp_(min=0).mul_(open_sky)
    sheen = _dot(normal, light.half).clamp_(min=0)
    sheen.square_().square_().square_().square_().mul_(gloss).mul_(light.shine)  # exponent 16
    kc, fc = light.key_colour[:, :, None, None], light.fill_colour[:, :, None, None]
    out = torch.empty_like(normal)
    for c, lamp in enumerate((key_red, key, key)):
        shaded = torch.mul(fill, fc[:, c], out=out[:, c]).add_(lamp * kc[:, c]).mul_(albedo[:, c])
        shaded.add_(sheen * kc[:, c])
    return out
