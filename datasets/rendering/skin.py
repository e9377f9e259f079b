"""Skin: melanin and blood, complexion, freckles, moles, folds, stubble and beard."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .canvas import Canvas, colour
from .grids import Grid, bell, ramp, sigmoid, window
from .layout import Layout


def skin_tone(f: Layout) -> Tensor:
    """(N, 3, 1, 1) linear RGB: from pale to dark along melanin, shifted by undertone, blood and tan."""
    w = f.who
    dark = sigmoid(1.05 * w["melanin"] + 0.15 * w["african"] + 0.22 * f.how["tan"] - 0.9)
    pale, deep = (0.70, 0.46, 0.345), (0.105, 0.050, 0.028)
    channels = [p * torch.exp(dark * math.log(d / p)) for p, d in zip(pale, deep)]
    red, yellow = 0.07 * w["redness"], 0.06 * w["undertone"]
    return colour(
        channels[0] * torch.exp(0.3 * red), channels[1] * torch.exp(-0.7 * red + 0.3 * yellow),
        channels[2] * torch.exp(-0.7 * red - yellow), f.eye_s,
    )  # fmt: skip


def base(f: Layout, g: Grid) -> Canvas:
    """A head covered with plain, lively skin."""
    w = f.who
    blotch = torch.zeros_like(w["age"])
    for name, layer, amount in (
        ("complexion_one", 3, 0.040), ("complexion_two", 4, 0.040), ("complexion_three", 5, 0.040),
    ):  # fmt: skip
        blotch = blotch + amount * w[name] * g.noise[layer]
    freckles = (g.noise[6] - 1.1).clamp(0, 1) * (w["freckles"] * 0.16 - 0.05).clamp(min=0)
    rough = (0.014 + 0.010 * (w["wrinkles"] + 0.5 * w["age"]).clamp(min=0)) * g.noise[7]
    tone = 1 + blotch - freckles + rough
    # Blood under the cheeks, the nose and the chin.
    flush = bell((g.s.abs()[None, None, :] - 0.33) / 0.11) * bell((g.t[None, :, None] + 0.20) / 0.10)
    flush = flush + 0.9 * bell((g.s[None, None, :]) / 0.07) * bell((g.t[None, :, None] + 0.17) / 0.06)
    flush = flush * (0.13 + 0.05 * w["redness"] + 0.16 * f.how["blush"].clamp(min=0) * (1 - f.male))
    tint = torch.stack([1 + 0.05 * flush, 1 - 0.8 * flush, 1 - 0.65 * flush], dim=1)
    albedo = skin_tone(f) * tint * tone[:, None]
    return Canvas(g, albedo, torch.full_like(albedo[:, 0], 0.5), torch.ones_like(albedo[:, 0]))


def folds(f: Layout, canvas: Canvas) -> None:
    """Lines of age and expression, and moles."""
    w, g = f.who, canvas.grid
    at = window(g, -0.30, 0.30, -0.52, -0.12)
    line = f.wing_s + 0.015 + (f.tip_t - at.t) * (0.50 + 0.1 * f.smile)
    depth = (0.10 + 0.07 * w["wrinkles"] + 0.04 * w["age"] + 0.17 * f.smile.clamp(min=0)).clamp(0.02, 0.55)
    strength = depth * bell((at.t - f.mouth_t - 0.08) / 0.07)
    canvas.shade(at, 1 - strength * bell((at.s.abs() - line) / 0.016))
    brow = window(g, -0.45, 0.45, 0.16, 0.46)
    waves = torch.sin(brow.t * 95 + 2.2 * brow.s.abs() + 3 * w["complexion_two"]).clamp(min=0).square()
    depth = (0.05 * w["wrinkles"] + 0.07 * f.how["brow_raise"]).clamp(0, 0.28)
    canvas.shade(brow, 1 - depth * waves * bell(brow.s / 0.26) * bell((brow.t - 0.27) / 0.08))
    glabella = window(g, -0.09, 0.09, 0.03, 0.20)
    frown = (0.04 * w["wrinkles"] + 0.13 * f.how["frown"]).clamp(0, 0.35)
    canvas.shade(glabella, 1 - frown * bell((glabella.s.abs() - 0.032) / 0.012) * bell((glabella.t - 0.11) / 0.03))
    for name in ("mole_one", "mole_two"):
        s, t = 0.17 * w[name + "_x"], -0.16 + 0.13 * w[name + "_y"]
        face = window(g, -0.62, 0.62, -0.60, 0.30)
        strength = (0.45 * w[name + "_strength"] - 0.05).clamp(0, 0.8)
        canvas.shade(face, 1 - strength * bell((face.s - s) / 0.014) * bell((face.t - t) / 0.014))


def beard_density(f: Layout) -> tuple[Tensor, Tensor, Tensor]:
    """(stubble, beard, moustache), (N, 1, 1) each in [0, 1]: only men of some age grow them."""
    can = ramp(4 * (f.male - 0.6))
    stubble = can * (0.22 + 0.16 * f.who["stubble"] + 0.10 * f.how["stubble_growth"]).clamp(0, 0.7)
    beard = can * (1.3 * (f.who["beard"] - 0.95)).clamp(0, 1)
    moustache = can * torch.maximum(beard, (1.3 * (f.who["moustache"] - 1.05)).clamp(0, 1))
    return stubble, beard, moustache


def beard(f: Layout, canvas: Canvas, hair_tone: Tensor) -> None:
    """Stubble is a tint of the skin, a beard hides it."""
    stubble, full, moustache = beard_density(f)
    g = canvas.grid
    at = window(g, -1.0, 1.0, -0.80, 0.02)
    edge = -0.40 + 0.42 * at.s.abs() + 0.05 * g.noise[1][at.rows, at.columns]
    jaw = ramp((edge - at.t) / 0.10) * ramp((at.t + 0.72) / 0.10)
    upper = bell((at.t - f.mouth_t - f.lip_up - 0.040) / 0.024) * ramp((f.mouth_half + 0.03 - at.s.abs()) / 0.05)
    grain = 0.85 + 0.15 * g.noise[8][at.rows, at.columns]
    shadow = torch.maximum(jaw, upper) * stubble * grain
    canvas.paint(at, (0.55 * shadow).clamp(0, 1), hair_tone * 0.8 + 0.03)
    cover = torch.maximum(jaw * full, upper * moustache) * (0.92 + 0.10 * g.noise[7][at.rows, at.columns])
    canvas.paint(at, cover.clamp(0, 1), hair_tone * (1 + 0.25 * g.strands[2][at.rows, at.columns]), gloss=0.15)
