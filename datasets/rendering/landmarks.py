"""Named points of the face, in the head's frame and as heat maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .grids import to_texel
from .layout import Layout

LANDMARK_NAMES: tuple[str, ...] = (
    "left_eye", "right_eye", "nose_tip", "left_mouth_corner", "right_mouth_corner",  # the five of ArcFace's template
    "left_eye_outer", "left_eye_inner", "left_eye_top", "left_eye_bottom",
    "right_eye_outer", "right_eye_inner", "right_eye_top", "right_eye_bottom",
    "left_brow_outer", "left_brow_middle", "left_brow_inner",
    "right_brow_outer", "right_brow_middle", "right_brow_inner",
    "nose_root", "nose_bridge", "nose_base", "left_nose_wing", "right_nose_wing",
    "upper_lip_top", "upper_lip_bottom", "lower_lip_top", "lower_lip_bottom",
    "left_cupid", "right_cupid", "chin", "left_chin", "right_chin", "left_jaw", "right_jaw",
    "left_cheekbone", "right_cheekbone", "left_temple", "right_temple", "forehead",
)  # fmt: skip
# Names say the viewer's side: "left_eye" is on the left of the picture.


def _eye_points(f: Layout, side: int) -> list[tuple[Tensor, Tensor]]:
    s, t = f.eye(side)
    tilt = (0.09 + 0.06 * f.who["eye_tilt"]) * f.eye_half
    outer, inner = (s + side * f.eye_half, t + tilt), (s - side * f.eye_half, t - tilt)
    return [outer, inner, (s, t + f.eye_up * f.eye_half), (s, t - f.eye_down * f.eye_half)]


def _brow_points(f: Layout, side: int) -> list[tuple[Tensor, Tensor]]:
    s, _ = f.eye(side)
    bow = (0.16 + 0.07 * f.who["brow_arch"]) * f.eye_half
    return [(s + side * x * f.eye_half, f.brow_t + k * bow) for x, k in ((1.3, 0.2), (0.3, 1.0), (-0.8, 0.0))]


def positions(f: Layout) -> Tensor:
    """(N, L, 2): (s, t) of every landmark."""
    zero, mid = torch.zeros_like(f.eye_s), f.mouth_s
    corner = f.mouth_t + 0.65 * f.corner_lift
    skew = 0.005 * f.who["asymmetry_mouth"]
    middle = f.mouth_t - 0.35 * f.corner_lift
    top, bottom = middle + 0.22 * f.gap, middle - 0.78 * f.gap
    low = f.tip_t - 0.043
    points = [
        f.eye(-1), f.eye(1), (f.nose_s, f.tip_t),
        (mid - f.mouth_half, corner - skew), (mid + f.mouth_half, corner + skew),
        *_eye_points(f, -1), *_eye_points(f, 1), *_brow_points(f, -1), *_brow_points(f, 1),
        (f.nose_s, zero + 0.04), (f.nose_s, f.tip_t + 0.08), (f.nose_s, low),
        (f.nose_s - f.wing_s - 0.018, low + 0.015), (f.nose_s + f.wing_s + 0.018, low + 0.015),
        (mid, top + 0.90 * f.lip_up), (mid, top), (mid, bottom), (mid, bottom - f.lip_down),
        (mid - 0.3 * f.mouth_half, top + 1.05 * f.lip_up), (mid + 0.3 * f.mouth_half, top + 1.05 * f.lip_up),
        (zero, f.chin_t), (zero - 0.17, f.chin_t + 0.02), (zero + 0.17, f.chin_t + 0.02),
        (zero - 0.58, zero - 0.42), (zero + 0.58, zero - 0.42), (zero - 0.45, zero - 0.09), (zero + 0.45, zero - 0.09),
        (zero - 0.55, zero + 0.14), (zero + 0.55, zero + 0.14), (zero, zero + 0.27),
    ]  # fmt: skip
    return torch.stack([torch.cat([s.reshape(-1, 1), t.reshape(-1, 1)], dim=1) for s, t in points], dim=1)


def on_surface(f: Layout, skin: Tensor, size: Tensor) -> Tensor:
    """(N, L, 3): the landmarks on the skin with radii `skin` (N, G, G), scaled by `size` (N, 3)."""
    st = positions(f)
    where = to_texel(st) * st.new_tensor([1.0, -1.0])
    r = F.grid_sample(skin[:, None], where[:, :, None], align_corners=False, padding_mode="border")[:, 0]  # (N, L, 1)
    s, t = st[..., 0], st[..., 1]
    stretch = 2 / (1 + s * s + t * t)
    return torch.stack([stretch * s, stretch * t, stretch - 1], dim=-1) * r * size[:, None]


def heat_maps(landmarks: Tensor, size: int, sigma: float = 1.5) -> Tensor:
    """A Gaussian blob at every landmark.

    Args:
        landmarks: (N, L, 2) pixels (x, y); pixel centres are whole numbers.
        size: height and width of the maps, pixels.
        sigma: standard deviation, pixels.

    Returns:
        (N, L, size, size) float32 in [0, 1], 1 at a landmark that lies on a pixel centre.
    """
    if sigma <= 0:
        raise ValueError(f"sigma is {sigma}, must be positive")
    steps = torch.arange(size, dtype=torch.float32, device=landmarks.device)
    x = torch.exp(-0.5 * ((steps - landmarks[..., 0:1]) / sigma).square())  # (N, L, size)
    y = torch.exp(-0.5 * ((steps - landmarks[..., 1:2]) / sigma).square())
    return y[..., :, None] * x[..., None, :]
