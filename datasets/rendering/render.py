"""The renderer: parameters in, pictures with labels and landmarks out.

Steps: place the features (`layout`), build the radius map (`surface`), paint it (`skin`, `features`, `hair`), light it
texel by texel (`light`), find each pixel's texel by marching rays (`camera`), put it over the background, neck and ears
(`scene`), and photograph it (`sensor`). Rows never meet: each row's result is the same bits in any batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from . import camera, features, hair, landmarks, light, scene, sensor, skin, surface
from .canvas import Canvas
from .grids import FEW, Grid, grid, merged, rows_of
from .layout import Layout, layout
from .parameters import FaceParameters

CHUNK = 16  # faces at a time: many small operations, each of which costs as much for one face as for all of them


@dataclass(frozen=True)
class Rendering:
    """Pictures and the truth about them.

    Attributes:
        images: (N, 3, size, size) RGB in [0, 1], of the precision of the parameters.
        parts: (N, size, size) uint8, indices into `PART_NAMES`.
        landmarks: (N, L, 2) pixels (x, y), pixel centres at whole numbers, rows of `LANDMARK_NAMES`.
    """

    images: Tensor
    parts: Tensor
    landmarks: Tensor


def render(parameters: FaceParameters, size: int = 64, noise_seed: Tensor | None = None) -> Rendering:
    """Render faces, aligned like ArcFace's five-point crops.

    Args:
        parameters: N faces; pictures are computed in their precision.
        size: height and width, pixels, at least 16.
        noise_seed: (N,) int64, one sensor-noise pattern each; None renders without sensor noise.

    Returns:
        The rendering; row i depends on row i of the arguments only, bit for bit.
    """
    if size < 16:
        raise ValueError(f"size is {size}, must be at least 16 pixels")
    n = parameters.identity.shape[0]
    if noise_seed is not None and noise_seed.shape != (n,):
        raise ValueError(f"noise_seed is {tuple(noise_seed.shape)}, expected ({n},)")
    done = []
    with torch.no_grad():
        for start in range(0, n, CHUNK):
            rows = slice(start, start + CHUNK)
            part = FaceParameters(parameters.identity[rows], parameters.nuisance[rows])
            done.append(_render_chunk(part, size, None if noise_seed is None else noise_seed[rows]))
    if not done:
        empty = parameters.identity.new_zeros
        labels = empty((0, size, size)).to(torch.uint8)
        return Rendering(empty((0, 3, size, size)), labels, empty((0, len(landmarks.LANDMARK_NAMES), 2)))
    return Rendering(*(torch.cat(field) for field in zip(*((r.images, r.parts, r.landmarks) for r in done))))


@dataclass(frozen=True)
class _Head:
    """Maps of painted heads.

    Attributes:
        albedo: (N, 3, G, G) linear RGB.
        gloss: (N, G, G) specular strength.
        labels: (N, G, G) indices into `PART_NAMES`.
        height: (N, G, G) radii, hair included.
        cover: (N, G, G) in [0, 1]: hair's colour.
    """

    albedo: Tensor
    gloss: Tensor
    labels: Tensor
    height: Tensor
    cover: Tensor


def _paint(f: Layout, g: Grid, cover: Tensor, hair_tone: Tensor) -> Canvas:
    """The head's albedo, gloss and labels."""
    tone = skin.skin_tone(f)
    canvas = skin.base(f, g)
    skin.folds(f, canvas)
    features.nose(f, canvas)
    skin.beard(f, canvas, hair_tone)
    features.mouth(f, canvas, tone)
    features.eyes(f, canvas)
    features.brows(f, canvas, hair_tone)
    hair.hair(f, canvas, cover, hair_tone)
    hair.glasses(f, canvas)
    return canvas


def _render_chunk(parameters: FaceParameters, size: int, noise_seed: Tensor | None) -> Rendering:
    g = grid(parameters.identity.device, parameters.identity.dtype)
    f = layout(parameters)
    hair_tone = hair.hair_tone(f)
    skin_radius, scale, pose = surface.radius(f, g), surface.scale(f), camera.rotation(f)
    cover = hair.coverage(f, g)
    height = skin_radius + hair.lift(f, g, cover)
    cover = (2.2 * cover).clamp(max=1)  # colour sets in before volume: the wall the hair makes is hair, not skin
    canvas = _paint(f, g, cover, hair_tone)
    lamp = light.lights(f, pose)
    points = landmarks.on_surface(f, skin_radius, scale)
    cam = camera.camera(f, pose, scale, points[:, :5])
    head = _Head(canvas.albedo, canvas.gloss, canvas.labels, height, cover)
    layer = _compose(f, g, cam, lamp, head, hair_tone, size)
    exposed = sensor.blur(f, sensor.expose(f, layer.rgb, skin.skin_tone(f)))
    images = sensor.develop(f, exposed, noise_seed)
    return Rendering(images, layer.labels.to(torch.uint8), cam.project(points, size))


def _compose(
    f: Layout, g: Grid, cam: camera.Camera, lamp: light.Light, head: _Head, hair_tone: Tensor, size: int
) -> scene.Layer:
    """Background, neck, far ear, head, near ear."""
    tone, pose = skin.skin_tone(f), cam.rotation
    rays = camera.Rays(cam, size)
    layer = scene.background(f, g, size)
    glow = (0.75 * lamp.fill_colour + 0.55 * lamp.key_colour)[:, :, None, None]
    scene.hang_hair(f, g, rays, pose, hair_tone * glow, layer)
    scene.body(f, rays, pose, lamp, tone, glow, layer)
    ears = [scene.ear(f, cam, rays, lamp, tone, side) for side in (-1, 1)]
    for mask, rgb, _ in ears:
        layer.cover(mask, rgb, "ears")
    few = [slice(start, start + FEW) for start in range(0, len(pose), FEW)]
    depth = torch.cat(
        [_show(rows_of(head, at), g, rows_of(cam, at), rows_of(lamp, at), rows_of(layer, at)) for at in few]
    )
    for mask, rgb, ear_depth in ears:
        layer.cover(mask * ((ear_depth - depth) * 12).clamp(0, 1), rgb, "ears")
    return layer


def _show(head: _Head, g: Grid, cam: camera.Camera, lamp: light.Light, layer: scene.Layer) -> Tensor:
    """Light some heads and put them over what is behind them; returns their depth (N, h, w)."""
    size = layer.labels.shape[-1]
    # Hair shades the skin at its edge.
    sky_seen = surface.occlusion(head.height) * (1 - 1.1 * head.cover * (1 - head.cover))
    normals = surface.normals(head.height, cam.size, g)
    lit = light.illuminate(lamp, normals, head.albedo, head.gloss, sky_seen)
    depth, coverage, uv = camera.find_surface(cam, head.height, size)
    shown = F.grid_sample(lit, uv, align_corners=False, padding_mode="border") * coverage[:, None]
    seen = merged(coverage)[:, None]
    layer.rgb.mul_(1 - seen).add_(merged(shown))
    # Labels: one of the four samples of each pixel speaks for it.
    labels = F.grid_sample(head.labels[:, None], uv[:, -size:], mode="nearest", align_corners=False)[:, 0]
    layer.labels.copy_(torch.where(seen[:, 0] > 0.5, labels, layer.labels))
    return depth
