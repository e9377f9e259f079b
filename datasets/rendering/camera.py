"""Pose, perspective, alignment to the five-point template, and the rays that find the head's surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from .grids import BEND, SLOPE, shifted
from .layout import Layout

# ArcFace's template: eyes, nose tip, mouth corners in a 112-pixel crop.
TEMPLATE = ((38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20))
START = 1.5  # radius at which rays enter, in units of 100 mm: outside any head with any hair
COARSE_STEPS, FINE_STEPS = 9, 2
QUARTERS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
RELAX = 0.75  # of the distance gained per step: the nose's flanks are steep, a whole step would jump through


@dataclass(frozen=True)
class Camera:
    """A posed, aligned camera.

    Attributes:
        rotation: (N, 3, 3) head's frame -> camera's frame (x right, y up, z towards the camera).
        size: (N, 3) scale of the head.
        distance: (N, 1) from the head's centre, units of 100 mm.
        zoom: (N, 4) a, b, c, d of the similarity x_px = a X + b Y + c, y_px = b X - a Y + d at 112 pixels.
    """

    rotation: Tensor
    size: Tensor
    distance: Tensor
    zoom: Tensor

    def project(self, points: Tensor, pixels: int) -> Tensor:
        """(N, L, 2) pixel coordinates, in an image of `pixels` a side, of (N, L, 3) points of the head's frame."""
        a, b, c, d = (self.zoom[:, i : i + 1] for i in range(4))
        flat = _flatten(points, self.rotation, self.distance)
        x, y = flat[..., 0], flat[..., 1]
        at112 = torch.stack([a * x + b * y + c, b * x - a * y + d], dim=-1)
        return (at112 + 0.5) * (pixels / 112) - 0.5

    def plane(self, pixels: int, offsets: tuple[tuple[float, float], ...]) -> tuple[Tensor, Tensor]:
        """(N, len(offsets) * pixels, pixels) each: X and Y, on the plane through the head's centre, of sample points.

        `offsets` are (dx, dy) from the pixels' centres, in pixels; each gives one picture, stacked along the rows.
        """
        steps = torch.arange(pixels, device=self.zoom.device) + 0.5
        a, b, c, d = (self.zoom[:, i].reshape(-1, 1, 1) for i in range(4))
        scale = 112 / pixels
        across = torch.cat([(steps + dx)[None, :].expand(pixels, -1) for dx, _ in offsets]) * scale - 0.5
        down = torch.cat([(steps + dy)[:, None].expand(-1, pixels) for _, dy in offsets]) * scale - 0.5
        x, y = across - c, down - d
        norm = a * a + b * b
        return (a / norm) * x + (b / norm) * y, (b / norm) * x - (a / norm) * y


def _flatten(points: Tensor, rotation: Tensor, distance: Tensor) -> Tensor:
    """(N, L, 2) perspective projection onto the plane through the head's centre."""
    x, y, z = (
        points[..., 0] * rotation[:, None, i, 0]
        + points[..., 1] * rotation[:, None, i, 1]
        + points[..., 2] * rotation[:, None, i, 2]
        for i in range(3)
    )
    near = distance / (distance - z)
    return torch.stack([x * near, y * near], dim=-1)


def _rotation(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """(N, 3, 3) of three (N,) angles in radians: yaw first, then pitch, then roll."""
    (cy, sy), (cp, sp), (cr, sr) = ((torch.cos(x), torch.sin(x)) for x in (yaw, pitch, roll))
    rows = [
        cr * cy - sr * sp * sy, -sr * cp, cr * sy + sr * sp * cy,
        sr * cy + cr * sp * sy, cr * cp, sr * sy - cr * sp * cy,
        -cp * sy, sp, cp * cy,
    ]  # fmt: skip
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)


def rotation(f: Layout) -> Tensor:
    """(N, 3, 3) the head's pose; three quarters of the yaws are within 20 degrees."""
    yaw, pitch, roll = (f.how[name].flatten() for name in ("yaw", "pitch", "roll"))
    return _rotation(0.29 * yaw, 0.13 * pitch, 0.10 * roll)


def camera(f: Layout, pose: Tensor, size: Tensor, five: Tensor) -> Camera:
    """Align the five landmarks (N, 5, 3) to the template in the least-squares sense, plus a detector's error."""
    how = f.how
    distance = (11.0 * torch.exp(0.30 * how["camera_distance"])).reshape(-1, 1)
    seen = _flatten(five, pose, distance)
    wanted = five.new_tensor(TEMPLATE)
    centre, target = seen.sum(1) / 5, wanted.sum(0) / 5
    p, q = seen - centre[:, None], wanted - target  # q's y points down, p's up
    energy = (p * p).sum((1, 2))
    a = (p[..., 0] * q[:, 0] - p[..., 1] * q[:, 1]).sum(1) / energy
    b = (p[..., 0] * q[:, 1] + p[..., 1] * q[:, 0]).sum(1) / energy
    # Detector error: a little shift, scale and turn about the face's centre.
    turn, zoom = 0.022 * how["tilt"].flatten(), torch.exp(0.022 * how["zoom"].flatten())
    a, b = zoom * (a * torch.cos(turn) - b * torch.sin(turn)), zoom * (b * torch.cos(turn) + a * torch.sin(turn))
    c = target[0] + 0.8 * how["shift_x"].flatten() - a * centre[:, 0] - b * centre[:, 1]
    d = target[1] + 0.8 * how["shift_y"].flatten() - b * centre[:, 0] + a * centre[:, 1]
    return Camera(pose, size, distance, torch.stack([a, b, c, d], dim=1))


class Rays:
    """Rays of all pixels in the head's scaled frame: p(depth) = origin (1 - depth / distance) + depth * forward."""

    def __init__(self, cam: Camera, pixels: int, offsets: tuple[tuple[float, float], ...] = ((0.0, 0.0),)) -> None:
        x, y = cam.plane(pixels, offsets)
        axes = cam.rotation / cam.size[:, None, :]  # rows: the camera's axes in the scaled frame
        self._origin = [x * axes[:, 0, i, None, None] + y * axes[:, 1, i, None, None] for i in range(3)]
        self._forward = [axes[:, 2, i, None, None] for i in range(3)]
        self._inverse = (1 / cam.distance)[:, :, None]
        self.x, self.y = x, y

    def start(self) -> Tensor:
        """(N, h, w) depth at which each ray enters the sphere of radius `START`."""
        o = self._origin
        return (START**2 - o[0] * o[0] - o[1] * o[1] - o[2] * o[2]).clamp(min=0).sqrt()

    def texel(self, depth: Tensor) -> tuple[Tensor, Tensor]:
        """(N, h, w) distance from the head's centre and (N, h, w, 2) map coordinates at `depth`."""
        # In place wherever that can be: what takes time here is memory.
        near = (depth * self._inverse).neg_().add_(1)
        px, py, pz = ((o * near).addcmul_(depth, d) for o, d in zip(self._origin, self._forward))
        xx, yy = px * px, py * py
        r = (xx + yy).add_(torch.mul(pz, pz, out=near)).sqrt_()
        q = pz.add_(r).clamp_(min=1e-4).square_()
        u = px.mul_(SLOPE).mul_(torch.add(q, xx, alpha=BEND, out=xx).rsqrt_())
        v = py.mul_(-SLOPE).mul_(torch.add(q, yy, alpha=BEND, out=yy).rsqrt_())
        return r, torch.view_as_real(torch.complex(u, v))  # interleaves faster than a stack

    def march(self, height: Tensor, depth: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Walk `steps` steps from `depth` towards the surface with radii `height` (N, G, G).

        Returns:
            depth (N, h, w), distance left to the surface there, and its map coordinates (N, h, w, 2).
        """
        for step in range(steps + 1):
            r, uv = self.texel(depth)
            reach = F.grid_sample(height[:, None], uv, align_corners=False, padding_mode="border")[:, 0]
            gap = r - reach
            if step < steps:
                depth = torch.add(depth, gap, alpha=-RELAX)
        return depth, gap, uv


def find_surface(cam: Camera, height: Tensor, pixels: int) -> tuple[Tensor, Tensor, Tensor]:
    """First hits of one ray per pixel, then of four.

    Returns:
        Depth (N, h, w) at the pixels' centres; coverage (N, 4 h, w) in [0, 1] and map coordinates (N, 4 h, w, 2) of
        the four samples of each pixel, one picture for each of `QUARTERS`.
    """
    coarse = Rays(cam, pixels)
    depth, _, _ = coarse.march(height, coarse.start(), COARSE_STEPS)
    _, gap, uv = Rays(cam, pixels, QUARTERS).march(height, (depth + 0.01).repeat(1, 4, 1), FINE_STEPS)
    # A grazing ray is still some way out when its steps are used up; what it lacks fades the outline over a pixel.
    pixel = (112 / pixels) * (cam.zoom[:, 0].square() + cam.zoom[:, 1].square()).rsqrt().reshape(-1, 1, 1)
    coverage = (1.25 - gap / (0.8 * pixel)).clamp(0, 1).reshape(-1, pixels, pixels)  # (N * 4, h, w)
    # Closing: a ray that grazes the nose can run out of steps inside the face; no gap that narrow is real.
    for widest in (torch.maximum, torch.minimum):
        for axis in (1, 2):
            coverage = reduce(widest, shifted(coverage, 1, axis))
    return depth, coverage.reshape(-1, 4 * pixels, pixels), uv
