"""Eyes, brows, nostrils, lips and teeth, painted into small windows of the head."""

from __future__ import annotations

import torch
from torch import Tensor

from .canvas import PART, Canvas, colour
from .grids import bell, ramp, sigmoid, window
from .layout import Layout


def iris_tone(f: Layout) -> Tensor:
    """(N, 3, 1, 1) linear RGB, brown through green to blue, dark to light."""
    light = sigmoid(1.8 * f.who["iris_lightness"] - 2.0)
    blue = sigmoid(2.0 * f.who["iris_hue"])
    green, azure = 0.16 + 0.06 * blue, 0.06 + 0.30 * blue
    return colour(0.055 + 0.16 * light, 0.030 + light * green, 0.015 + light * azure, light)


def eyes(f: Layout, canvas: Canvas) -> None:
    """Both eyes: lids' shadow and crease, eyeball, iris, pupil, lashes."""
    w, how = f.who, f.how
    # The metering that lifts dark skin would make its sclera glow.
    white = colour(0.44, 0.385, 0.35, f.eye_s) * (1 - 0.65 * sigmoid(1.15 * w["melanin"] - 0.9))[:, None]
    for side, label in ((-1, "left_eye"), (1, "right_eye")):
        at = window(canvas.grid, min(side * 0.03, side * 0.40), max(side * 0.03, side * 0.40), -0.16, 0.14)
        centre_s, centre_t = f.eye(side)
        x, y = side * (at.s - centre_s) / f.eye_half, (at.t - centre_t) / f.eye_half
        y = y - (0.09 + 0.06 * w["eye_tilt"]) * x
        arc = 1 - x * x
        upper, lower = f.eye_up * arc * (1 - 0.22 * x), -f.eye_down * arc * (1 + 0.25 * x)
        near = bell(x / 0.85)
        crease = (0.20 + 0.05 * w["eye_crease"] - 0.03 * w["east_asian"]).clamp(0.03, 0.4)
        socket = 1 - crease * near * bell((y - upper - 0.24) / 0.09)
        bags = (0.10 + 0.07 * w["eye_bags"]).clamp(0, 0.4)
        canvas.shade(at, socket * (1 - bags * near * bell((y + 0.62) / 0.16)))
        made_up = (0.30 * how["eye_shadow"]).clamp(0, 0.6) * (1 - f.male)
        lid = made_up * near * ramp((y - upper) / 0.2) * ramp((0.75 - y) / 0.4)
        shadow = 0.35 * canvas.albedo[:, :, at.rows, at.columns] + 0.04 + 0.02 * how["makeup_hue"][:, None]
        canvas.paint(at, lid, shadow)
        inside = ramp((upper - y) * 7) * ramp((y - lower) * 7) * (arc > 0)
        vault = 0.55 + 0.45 * ramp((upper - y) / 0.35)  # the upper lid and its lashes shade the ball
        canvas.paint(at, inside, white * vault[:, None], label, gloss=0.8)
        gaze_x, gaze_y = side * 0.16 * how["gaze_x"], 0.06 * how["gaze_y"] + 0.04
        from_iris = torch.hypot(x - gaze_x, y - gaze_y)
        ring = 0.75 + 0.25 * ramp((0.34 - from_iris) * 6)
        iris = ramp((0.43 - from_iris) * 7) * inside
        canvas.paint(at, iris, iris_tone(f) * (ring * vault)[:, None])
        canvas.paint(at, ramp((0.18 - from_iris) * 7) * inside, colour(0.006, 0.005, 0.005, x[:, :1, :1]))
        spark = bell((x - gaze_x + 0.13 * side * how["light_x"] / 2 - 0.1) / 0.09) * bell((y - gaze_y - 0.16) / 0.09)
        canvas.paint(at, 0.4 * spark * inside, colour(0.9, 0.9, 0.9, x[:, :1, :1]))
        lashes = bell((y - upper) / (0.12 + 0.05 * (1 - f.male))) * ramp((1.12 - x.abs()) * 5)
        rim = 0.35 * bell((y - lower) / 0.08) * ramp((1.0 - x.abs()) * 5)
        ink = (0.75 + 0.20 * (1 - f.male)) * lashes + rim
        canvas.paint(at, ink.clamp(0, 0.92), 0.22 * canvas.albedo[:, :, at.rows, at.columns])


def brows(f: Layout, canvas: Canvas, hair_tone: Tensor) -> None:
    """Both brows, made of the darker of hair and skin."""
    w, how = f.who, f.how
    dark = (0.84 + 0.11 * w["brow_darkness"] + 0.06 * f.male).clamp(0.35, 1.0)
    for side, label in ((-1, "left_brow"), (1, "right_brow")):
        at = window(canvas.grid, min(0, side * 0.44), max(0, side * 0.44), 0.04, 0.28)
        centre_s, _ = f.eye(side)
        x = side * (at.s - centre_s) / f.eye_half
        arch = (0.16 + 0.07 * w["brow_arch"]) * (1 - (x - 0.3).square() * 0.8) + 0.05 * w["eye_tilt"] * x
        y = (at.t - f.brow_t) / f.eye_half - arch - 0.10 * how["frown"] * x.clamp(-1.2, 0.3)
        thick = (0.215 + 0.045 * w["brow_thickness"]).clamp(0.09, 0.4) * (1.1 - 0.32 * x.clamp(-1, 1.4))
        length = 1.40 + 0.08 * w["brow_length"]
        hairs = 0.9 + 0.12 * canvas.grid.noise[8][at.rows, at.columns]
        mask = bell(y / thick).square() * ramp((x + 1.0) * 3) * ramp((length - x) * 3) * hairs * dark
        canvas.paint(at, mask.clamp(0, 1), hair_tone * 0.75)
        label_mask = ramp(4 * mask / dark - 1.2)
        canvas.labels[:, at.rows, at.columns].masked_fill_(label_mask > 0.5, float(PART[label]))


def nose(f: Layout, canvas: Canvas) -> None:
    """Nostrils, the shadow under the wings, and the nose's label."""
    at = window(canvas.grid, -0.16, 0.16, -0.27, 0.06)
    s = (at.s - f.nose_s).abs()
    low = f.tip_t - 0.043
    hole = bell((s - 0.55 * f.wing_s) / (0.016 + 0.003 * f.who["nostrils"])) * bell((at.t - low) / 0.013)
    under = bell(s / (1.1 * f.wing_s)) * bell((at.t - low + 0.012) / 0.016)
    wing = bell((s - f.wing_s - 0.024) / 0.010) * bell((at.t - f.tip_t + 0.015) / 0.030)
    canvas.shade(at, (1 - 0.9 * hole) * (1 - 0.34 * under) * (1 - 0.30 * wing))
    width = 0.028 + (f.wing_s - 0.005) * ramp((f.tip_t + 0.055 - at.t) / 0.11)
    inside = (s < width) & (at.t > low - 0.008) & (at.t < 0.04)
    canvas.labels[:, at.rows, at.columns].masked_fill_(inside, float(PART["nose"]))


def _lip_tone(f: Layout, skin: Tensor) -> Tensor:
    """(N, 3, 1, 1): skin with more blood, or lipstick."""
    bare = skin * torch.stack([0.70 + 0 * f.eye_s, 0.36 - 0.05 * f.who["lip_colour"], 0.48 + 0 * f.eye_s], dim=1)
    hue = f.how["makeup_hue"]
    stick = colour(0.42 + 0.06 * hue, 0.055 + 0.02 * hue, 0.075 - 0.02 * hue, hue)
    return torch.lerp(bare, stick, ((0.5 * f.how["lipstick"] - 0.3) * (1 - f.male)).clamp(0, 0.7)[:, None])


def mouth(f: Layout, canvas: Canvas, skin: Tensor) -> None:
    """Lips around an opening with teeth, or around a dark line."""
    at = window(canvas.grid, -0.26, 0.26, -0.60, -0.24)
    x = (at.s - f.mouth_s) / f.mouth_half
    arc = (1 - x * x).clamp(min=0)
    middle = f.mouth_t + f.corner_lift * (x * x - 0.35) + 0.005 * f.who["asymmetry_mouth"] * x
    top, bottom = middle + 0.22 * f.gap * arc, middle - 0.78 * f.gap * arc
    bow = 1 - (0.30 + 0.08 * f.who["lip_bow"]) * bell(x / 0.16) - 0.25 * arc * (1 - bell(x / 0.5))
    outer_top, outer_bottom = top + 1.25 * f.lip_up * arc.sqrt() * bow, bottom - f.lip_down * arc
    lips = ramp((outer_top - at.t) * 65) * ramp((at.t - outer_bottom) * 65) * (arc > 0)
    shade = 1 - 0.34 * ramp((at.t - middle) / 0.02)
    canvas.paint(at, 0.9 * lips, _lip_tone(f, skin) * shade[:, None], "lips", gloss=0.2)
    inside = ramp((top - at.t) * 70) * ramp((at.t - bottom) * 70) * (arc > 0) * ramp(f.gap * 120 - 0.9)
    canvas.paint(at, inside, colour(0.085, 0.022, 0.020, f.gap), "mouth_inside", gloss=0.4)
    teeth = inside * ramp((at.t - top + 0.034 + 0.15 * f.gap) * 60) * ramp((0.80 - x.abs()) * 5)
    canvas.paint(at, teeth, colour(0.48, 0.43, 0.36, f.gap))
    closed = bell((at.t - middle) / 0.008) * ramp((1.04 - x.abs()) * 6) * ramp(1 - f.gap * 60)
    corner = bell((x.abs() - 1.02) / 0.10) * bell((at.t - middle) / 0.018)
    below = bell(x / 0.8) * bell((at.t - outer_bottom + 0.018) / 0.014)
    canvas.shade(at, (1 - 0.62 * closed) * (1 - 0.35 * corner) * (1 - 0.13 * below))
