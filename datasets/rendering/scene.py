"""What is not the head's own surface: background, long hair behind, neck, clothes and ears, at one sample per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .camera import Camera, Rays
from .canvas import PART
from .grids import Grid, bell, ramp, sigmoid
from .hair import length
from .layout import Layout
from .light import Light, illuminate


@dataclass(frozen=True)
class Layer:
    """Linear RGB (N, 3, h, w) so far, and labels (N, h, w) float32."""

    rgb: Tensor
    labels: Tensor

    def cover(self, mask: Tensor, paint: Tensor, part: str) -> None:
        """Put `paint` over what is there, in place."""
        self.rgb.lerp_(paint.expand_as(self.rgb), mask[:, None].expand_as(self.rgb))
        self.labels.masked_fill_(mask > 0.5, float(PART[part]))


def _mixed(f: Layout, prefix: str, low: float) -> Tensor:
    """(N, 3, 1, 1) a colour that clusters around grey."""
    parts = [f.how[f"{prefix}_{name}"] for name in ("red", "green", "blue")]
    grey = (parts[0] + parts[1] + parts[2]) * 0.45
    return sigmoid(torch.stack([1.6 * grey + 0.35 * part + low for part in parts], dim=1))


def _noise_at(tables: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(N, M, h, w): noise tables (M, G, G) seen at (x, y) in [-1, 1]."""
    where = torch.stack([x, y], dim=-1)
    source = tables[None].expand(x.shape[0], -1, -1, -1)
    return F.grid_sample(source, where, align_corners=False, padding_mode="reflection")


def background(f: Layout, g: Grid, pixels: int) -> Layer:
    """Two out-of-focus colours with an edge between them, blotches over both."""
    how, n = f.how, f.eye_s.shape[0]
    steps = (2 * torch.arange(pixels, device=f.eye_s.device) + 1) / pixels - 1
    x, y = steps[None, None, :], steps[None, :, None]
    angle = 2.5 * how["ground_angle"]
    across = x * torch.cos(angle) + y * torch.sin(angle) - 0.45 * how["ground_offset"]
    hard = 0.6 * torch.exp(1.2 * how["ground_hardness"])
    # Each picture sees its own corner of the fixed noise.
    left, top = torch.tanh(how["ground_angle"]), torch.tanh(how["ground_offset"])
    at_x, at_y = (0.4 * x + 0.6 * left).expand(n, pixels, -1), (0.4 * y + 0.6 * top).expand(n, -1, pixels)
    noise = _noise_at(g.noise[:6], at_x, at_y)
    blotch = torch.zeros_like(across)
    for i, name in enumerate(("one", "two", "three")):
        blotch = blotch + how[f"ground_noise_{name}"] * (0.16 * noise[:, i] + 0.07 * noise[:, i + 3])
    mix = ramp(across * hard + 0.25 * blotch)[:, None]
    rgb = torch.lerp(_mixed(f, "ground", -1.4), _mixed(f, "other", -1.4), mix) * (1 + blotch)[:, None].clamp(0.2, 2)
    return Layer(rgb.contiguous(), torch.zeros(n, pixels, pixels, device=rgb.device))


def hang_hair(f: Layout, g: Grid, rays: Rays, turn: Tensor, hair_tone: Tensor, on: Layer) -> None:
    """Long hair behind the face, lit by `hair_tone` (N, 3, 1, 1), the tone times the light."""
    long, w = length(f), f.who
    x, y = rays.x + 0.25 * turn[:, 0, 2].reshape(-1, 1, 1), rays.y
    wide = 0.80 + 0.07 * w["hair_volume"] + 0.05 * f.how["hair_lift"] + 0.05 * w["face_width"]
    wide = wide * (1 + 0.10 * _wave(y, w["hair_curl"]))
    curtain = ramp((wide - x.abs()) * 11) * ramp((0.75 - y) * 4)
    curtain = curtain * ramp((y + 0.3 + 2.2 * long) * 2.5) * ramp(long * 6 - 1)
    streak = _noise_at(g.strands[1:2], 0.9 * x, 0.12 * y + 0.1 * x)[:, 0]
    bright = (0.50 + 0.16 * streak + 0.18 * (x.abs() / 0.8).clamp(0, 1)).clamp(min=0.1)
    on.cover(curtain, hair_tone * bright[:, None], "hair")


def body(f: Layout, rays: Rays, turn: Tensor, light: Light, skin: Tensor, glow: Tensor, on: Layer) -> None:
    """Neck and collar; the body turns half as far as the head."""
    x = rays.x + 0.22 * turn[:, 0, 2].reshape(-1, 1, 1) - 0.12 * (rays.y + 1) * turn[:, 1, 0].reshape(-1, 1, 1)
    half = 0.47 + 0.05 * f.male + 0.04 * f.who["jaw_fullness"] + 0.10 * (-1.2 - rays.y).clamp(min=0)
    rounded = (1 - (x / half).square()).clamp(min=0).sqrt()
    side = light.fill_side + 0.5 * (light.key * turn[:, 0]).sum(1).reshape(-1, 1, 1)
    under = 0.30 + 0.30 * ramp((-1.15 - rays.y) * 2)  # the chin's shadow
    shading = under * (0.35 + 0.65 * rounded) * (1 + 0.5 * side * x / half).clamp(0.4, 1.6)
    neck = ramp((half - x.abs()) * 11) * ramp((-0.35 - rays.y) * 6)
    on.cover(neck, skin * glow * shading[:, None], "neck")
    collar = f.how["collar"]
    line = -1.36 + 0.05 * collar - 0.15 * (1 - x.abs() / 0.9) * collar.clamp(-1, 1)
    dress = ramp((line - 0.55 * (x.abs() - 0.75).clamp(min=0) - rays.y) * 9)
    dress = dress * ramp((x.abs() - 0.20 - 0.12 * collar) * 6 + 0.5)
    cloth = _mixed(f, "clothes", -1.6) * glow * (0.7 + 0.2 * x)[:, None].clamp(0.3, 1.2)
    on.cover(dress, cloth, "clothes")


def _wave(y: Tensor, curl: Tensor) -> Tensor:
    """(N, h, w): the uneven outline of hanging hair, in about [-1, 1]."""
    return (0.5 + 0.3 * curl) * torch.sin(7 * y + 2 * curl)


def ear(f: Layout, cam: Camera, rays: Rays, light: Light, skin: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """One ear, a tilted flat ellipsoid.

    Returns:
        coverage (N, h, w), linear RGB (N, 3, h, w), depth (N, h, w).
    """
    w = f.who
    grown = 1 + 0.10 * w["ear_size"]
    out = 0.42 + 0.13 * w["ear_angle"]  # radians between the ear and the side of the head
    cos, sin, zero = torch.cos(out).flatten(), torch.sin(out).flatten(), torch.zeros_like(out).flatten()
    thick, tall, deep = 0.055 + 0 * zero, 0.31 * grown.flatten(), 0.165 * grown.flatten()
    # Rows: the ear's own axes (through, up, forward), divided by its half sizes.
    axes = torch.stack([
        torch.stack([side * cos / thick, 0.1 / thick, sin / thick], 1),
        torch.stack([zero, 1 / tall, -0.22 / tall], 1),
        torch.stack([-side * sin / deep, 0.22 / deep, cos / deep], 1),
    ], dim=1)  # fmt: skip
    centre = torch.stack([side * (0.735 * cam.size[:, 0]), zero - 0.11, zero - 0.12], dim=1)
    at = (cam.rotation * centre[:, None]).sum(2)  # (N, 3) in the camera's frame
    near = (1 - at[:, 2:] / cam.distance)[:, :, None]
    dx, dy = rays.x * near - at[:, 0, None, None], rays.y * near - at[:, 1, None, None]
    base = (axes[:, :, None] * cam.rotation[:, None]).sum(3)  # (N, 3 ear axes, 3 camera axes)
    o = [base[:, i, 0, None, None] * dx + base[:, i, 1, None, None] * dy for i in range(3)]
    d = [base[:, i, 2, None, None] for i in range(3)]
    aa = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    bb = (o[0] * d[0] + o[1] * d[1] + o[2] * d[2]) / aa
    cc = (o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1) / aa
    root = (bb * bb - cc).clamp(min=0).sqrt()
    p = [oi + di * (root - bb) for oi, di in zip(o, d)]
    across = [[p[i] * axes[:, i, k, None, None] for i in range(3)] for k in range(3)]
    normal = torch.stack([a + b + c for a, b, c in across], dim=1)
    normal = normal * normal.square().sum(1, keepdim=True).clamp(min=1e-6).rsqrt()
    bowl = 1 - 0.55 * bell((p[2] - 0.15) / 0.32) * bell((p[1] + 0.05) / 0.45)
    tone = skin * torch.tensor([1.0, 0.86, 0.84], device=skin.device).reshape(1, 3, 1, 1)
    rgb = illuminate(light, normal, (tone * bowl[:, None]).expand_as(normal), 0.4 * bowl, 0.8 * bowl)
    # Distance from the outline in pixels: the discriminant falls by about 2 / half-size per unit outside it.
    edge = (bb * bb - cc) * aa
    return ramp(edge * 2.2) * ramp(1.5 - 5 * length(f)), rgb, at[:, 2, None, None] + root - bb
