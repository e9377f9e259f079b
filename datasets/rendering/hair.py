"""Hair on the head (hats too) and glasses."""

from __future__ import annotations

import torch
from torch import Tensor

from .canvas import Canvas, colour
from .grids import FEW, Grid, bell, power, ramp, shifted, sigmoid, window
from .layout import Layout


def hair_tone(f: Layout) -> Tensor:
    """(N, 3, 1, 1) linear RGB: black, brown, blond or red, and grey with age."""
    w = f.who
    light = sigmoid(1.3 * w["hair_lightness"] - 1.5 + 0.5 * f.how["hair_dye"] * (1 - f.male))
    copper = sigmoid(2.0 * w["hair_red"] - 2.5)
    gray = sigmoid(2.6 * (w["hair_gray"] - 1.0))
    tones = (0.012 + 0.50 * light.square() + 0.10 * light * (1 + copper),
             0.009 + 0.33 * light.square() + 0.05 * light,
             0.008 + 0.13 * light.square() + 0.025 * light)  # fmt: skip
    silver = 0.16 + 0.14 * w["hair_gray"].clamp(0, 2)
    red, green, blue = (torch.lerp(tone, silver * k, gray) for tone, k in zip(tones, (1.0, 0.97, 0.93)))
    return colour(red, green, blue, light)


def length(f: Layout) -> Tensor:
    """(N, 1, 1) in [0, 1]: 0 cropped above the ears, 1 long enough to frame the face."""
    return ramp(1.6 * (f.who["hair_length"] - 0.10) + 0.3 * f.how["hair_lift"])


def has_hat(f: Layout) -> Tensor:
    """(N, 1, 1) bool."""
    return f.how["hat"] > 1.55


def has_glasses(f: Layout) -> Tensor:
    """(N, 1, 1) bool: some people nearly always wear them."""
    return f.how["glasses"] + 1.5 * f.who["glasses_habit"] > 1.75


def coverage(f: Layout, g: Grid) -> Tensor:
    """(N, G, G) in [0, 1]: where hair grows, a ring around the face that opens below the ears."""
    w, how = f.who, f.how
    s, t = g.s.abs()[None, None, :], g.t[None, :, None]
    long = length(f)
    line = 0.405 + 0.038 * w["hair_line"] - 0.05 * how["fringe"].clamp(0, 2) * (0.25 + long)
    side = 0.66 - 0.075 * long + 0.02 * how["hair_lift"]
    part = 0.05 * torch.tanh(2 * w["hair_part"] + how["hair_noise"])
    edge = (s / side).square()
    edge = edge * edge + ((t - 0.02) / (line + part * g.s / 0.6)).clamp(min=0).square()
    bald = (w["hair_temples"] * 0.30 + 0.02) * f.male
    edge = edge - bald.clamp(min=0) * bell((s - 0.27) / 0.13) * ramp((t - 0.15) / 0.2)
    top = (w["hair_temples"] + w["hair_line"] - 1.7).clamp(0, 1.6) * f.male  # the bald crown
    edge = edge - 1.9 * top * bell(s / 0.36) * ramp((t - 0.30) / 0.2)
    rough = (0.05 + 0.03 * w["hair_curl"]) * g.noise[4] + 0.07 * how["hair_noise"] * g.noise[1]
    foot = -0.16 + 0.05 * w["stubble"] - 0.9 * long
    return ramp((edge - 1 + rough) / 0.22) * ramp((t - foot) / 0.12)


def lift(f: Layout, g: Grid, cover: Tensor) -> Tensor:
    """(N, G, G) in units of 100 mm: how far hair stands off the skull."""
    volume = (0.10 + 0.045 * f.who["hair_volume"] + 0.03 * f.how["hair_lift"] + 0.06 * length(f)).clamp(0.02, 0.4)
    inner = (2.5 * cover - 1.5).clamp(min=0)  # so that the smoothed rim stays within the hair
    shell = inner * (volume * (1 + 0.06 * g.strands[1]))
    return torch.cat([_smoothed(some) for some in shell.split(FEW)])


def _smoothed(shell: Tensor) -> Tensor:
    """Of 7 texels each way: a cliff at the hairline would be jumped through by the marching rays."""
    for axis in (1, 2):
        first, second, *others = shifted(shell, 3, axis)
        shell = first + second
        for other in others:
            shell.add_(other)
        shell.div_(7)
    return shell


def hair(f: Layout, canvas: Canvas, cover: Tensor, tone: Tensor) -> None:
    """Strands over the covered skull, then the hat."""
    g = canvas.grid
    whole = window(g, -2, 2, -2, 2)
    curly = ramp(0.8 * f.who["hair_curl"] - 0.9)
    strand = torch.lerp(0.6 * g.strands[0] + 0.5 * g.strands[1], g.strands[2], curly)
    texture = (1 + 0.40 * strand).clamp(0.2, 2.2)
    canvas.paint(whole, cover, tone * texture[:, None], "hair", gloss=0.22)
    at = window(g, -1.6, 1.6, 0.02, 1.6)
    low = 0.30 + 0.03 * f.how["hat_height"] + 0.10 * at.s.square()
    worn = has_hat(f).float()
    cap = ramp((at.t - low) * 25) * worn
    brim = bell((at.t - low) / 0.02)
    parts = [f.how[f"hat_{name}"] for name in ("red", "green", "blue")]
    dye = sigmoid(torch.stack([0.9 * part + 0.8 * parts[1] - 1.8 for part in parts], dim=1))
    canvas.paint(at, cap, 0.7 * dye * (1 - 0.45 * brim)[:, None], "hat", gloss=0.1)
    canvas.shade(at, 1 - 0.40 * worn * bell((at.t - low + 0.06) / 0.06))


def glasses(f: Layout, canvas: Canvas) -> None:
    """Two rims, a bridge and the temples."""
    how, worn = f.how, has_glasses(f).float()
    at = window(canvas.grid, -1.0, 1.0, -0.24, 0.20)
    s = at.s.abs()
    width, height = 0.148 + 0.010 * how["glasses_size"], 0.108 + 0.016 * how["glasses_shape"]
    square = 2.6 + 1.2 * torch.tanh(how["glasses_shape"] + how["glasses_size"])
    x, y = (s - f.eye_s).abs() / width, (at.t - f.eye_t + 0.012).abs() / height
    distance = power(power(x + 1e-4, square) + power(y + 1e-4, square), 1 / square) - 1
    thick = (0.10 + 0.035 * how["glasses_size"]).clamp(0.055, 0.22)
    rim = ramp((thick - distance.abs()) * 9)
    bridge = ramp((0.013 - (at.t - f.eye_t - 0.025).abs()) * 70) * (s < f.eye_s - 0.9 * width)
    temple = ramp((0.013 - (at.t - f.eye_t - 0.035).abs()) * 70) * (s > f.eye_s + 0.95 * width) * (s < 0.95)
    tint = ramp(2.5 * (how["glasses_lens"] - 1.3))
    lens = ramp(-distance * 9) * worn
    canvas.paint(at, lens * (0.05 + tint.clamp(0, 0.85)), colour(0.03, 0.028, 0.03, tint), gloss=1.2)
    frame = torch.maximum(rim, torch.maximum(bridge, temple)) * worn
    light = sigmoid(2 * how["glasses_lightness"] - 1.5)
    metal = colour(0.02 + 0.40 * light, 0.015 + 0.32 * light, 0.015 + 0.25 * light, light)
    canvas.paint(at, 0.9 * frame, metal, "glasses", gloss=1.6)
