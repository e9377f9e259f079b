"""Five-point alignment: from photographs, or crops of faces, to the aligned faces that recognisers are trained on.

The template is ArcFace's (Deng et al., CVPR 2019; insightface's ``face_align``), the transform the least-squares
similarity of Umeyama, PAMI 13(4), 1991. Differs from insightface: the picture is sampled bicubically, and reduced
first where the face is large in it, so that nothing aliases; the template is scaled about the pixels' corners, so that
64 pixels show what 112 do.

Crops: Intel's landmarks-regression-retail-0009 (Open Model Zoo, Apache-2.0) as ONNX, 48x48 BGR in 0..255 -> x, y of
five points in [0, 1]. It answers to anything; what tells a face from a wall is whether the points stay in place when
the window moves. Photographs: the detector (SCRFD) of an insightface pack, which finds the face and its points.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ..bench.core.errors import InputError
from ..bench.core.extras import need
from ..bench.core.onnx_file import describe_error, load_model
from ..bench.core.onnx_graph import RuntimeNet, open_session, read_graph
from ..bench.core.paths import expand
from ..bench.core.weights import file_sha256
from ..bench.zoo.packs import find_model
from .pictures import LeftOut, open_picture

Array = npt.NDArray[np.float64]

SIDE = 112  # pixels; of the template
# Eyes, nose, corners of the mouth, the picture's left first; (x, y), (0, 0) is the middle of the first pixel.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
LANDMARKS = "landmarks5_retail0009.onnx"
FIVE = ("left_eye", "right_eye", "nose_tip", "left_mouth_corner", "right_mouth_corner")  # names; the viewer's left
# Left, top, right, bottom as shares of the sides: the whole crop and two that leave different margins away.
_WINDOWS = ((0.0, 0.0, 1.0, 1.0), (0.1, 0.1, 0.9, 0.9), (0.18, 0.18, 1.0, 1.0))
_TIGHT = (10 / SIDE, 12 / SIDE, 102 / SIDE, 108 / SIDE)  # of an aligned face: the tight crop that the model expects
_AGREE = 0.15  # mean shift of the points between windows, in distances of the eyes, above which there is no face


def template(size: int) -> Array:
    """(5, 2) points of an aligned face of ``size`` pixels."""
    return (TEMPLATE + 0.5) * size / SIDE - 0.5


def similarity(source: Array, target: Array) -> Array:
    """(2, 3) matrix of the rotation, scale and shift that bring ``source`` closest to ``target``, in squares.

    Args:
        source: (N, 2) points.
        target: (N, 2) points.

    Raises:
        InputError: the source points are one point.
    """
    a, b = source - source.mean(0), target - target.mean(0)
    spread = (a**2).sum()
    if not spread > 0:
        raise InputError(f"The points {source.round(2).tolist()} lie on one another; they are no face's.")
    # As complex numbers the transform is one factor: its real part, and its imaginary part.
    real, imaginary = (a * b).sum() / spread, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / spread
    turn = np.array([[real, -imaginary], [imaginary, real]])
    return np.column_stack([turn, target.mean(0) - turn @ source.mean(0)])


def moved(points: Array, matrix: Array) -> Array:
    """(N, 2) points under a (2, 3) matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def inverse(matrix: Array) -> Array:
    """The (2, 3) matrix that undoes ``matrix``."""
    return np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]


def warp(picture: Image.Image, matrix: Array, size: int) -> Image.Image:
    """The size x size picture whose pixel ``matrix @ p`` shows what ``picture`` shows at p; black beyond its border."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    by = max(1, int(1 / scale)) if scale > 0 else 1
    back = inverse(matrix)
    # Pillow counts from the pixels' corners: half a pixel there and back.
    shift = back[:, 2] + 0.5 - back[:, :2] @ [0.5, 0.5]
    if by > 1:
        picture = picture.reduce(by)
    terms = np.column_stack([back[:, :2], shift]) / by
    return picture.transform(
        (size, size), Image.Transform.AFFINE, tuple(terms.ravel().tolist()), Image.Resampling.BICUBIC
    )


def align(picture: Image.Image, points: Array, size: int) -> np.ndarray:
    """(3, size, size) uint8 RGB: the face whose (5, 2) ``points`` are given, in pixels of ``picture``."""
    return np.asarray(warp(picture, similarity(points, template(size)), size)).transpose(2, 0, 1)


class Finder(Protocol):
    """Finds the five points of the face in a picture."""

    def key(self) -> dict[str, Any]:
        """What identifies its answers."""
        ...

    def __call__(self, picture: Image.Image) -> Array | LeftOut:
        """(5, 2) points in pixels, or why there are none."""
        ...


class CropFinder:
    """For crops of one face each, as any detector cuts them out.

    Args:
        path: of the landmark model; empty: looked for in FACELEAK_WEIGHTS, then in FACELEAK_DATA.
        owner: who asks, for messages.

    Raises:
        InputError: the model is nowhere; the message names the places.
    """

    def __init__(self, path: str, owner: str) -> None:
        self.file, self.owner = find_landmarks(path, owner), owner

    def key(self) -> dict[str, Any]:
        """The model, and the version of what is done with it."""
        return {"align": "crops", "model": file_sha256(self.file), "version": 1}

    @cached_property
    def _net(self) -> RuntimeNet:
        net = RuntimeNet(read_graph(self.file, 48, "", self.owner))
        try:
            found = net(torch.zeros(1, 3, 48, 48)).shape[1]
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise InputError(f"{self.owner}: {self.file} does not run ({describe_error(error)}).") from error
        if found != 10:
            raise InputError(f"{self.owner}: {self.file} gives {found} numbers, not x and y of five points.")
        return net

    def __call__(self, picture: Image.Image) -> Array | LeftOut:
        found = [self._points(picture, window) for window in _WINDOWS]
        eyes = max(1e-6, float(np.linalg.norm(found[0][1] - found[0][0])))
        shift = max(np.linalg.norm(one - found[0], axis=1).mean() for one in found[1:])
        if not shift <= _AGREE * eyes:  # a network that divides may answer NaN
            return LeftOut("no face was found")
        return self.refined(picture, np.mean(found, axis=0))

    def refined(self, picture: Image.Image, points: Array) -> Array:
        """(5, 2) points in pixels, seen once more where the face is upright and as large as the model was trained on.

        Args:
            picture: RGB.
            points: (5, 2), about where they are.
        """
        first = similarity(points, TEMPLATE)
        return moved(self._points(warp(picture, first, SIDE), _TIGHT), inverse(first))

    def of_aligned(self, faces: np.ndarray) -> Array:
        """(N, 3, s, s) uint8 RGB aligned faces -> (N, 5, 2) x and y as shares of the side, 0 its left or upper edge."""
        pictures = [Image.fromarray(np.ascontiguousarray(face.transpose(1, 2, 0))) for face in faces]
        points = [self._points(picture, _TIGHT) for picture in pictures]
        return (np.stack(points) + 0.5) / faces.shape[-1]

    def _points(self, picture: Image.Image, window: tuple[float, float, float, float]) -> Array:
        """(5, 2) points that the model sees in a window, in pixels of the picture."""
        (width, height), (left, top, right, bottom) = picture.size, window
        box = (left * width, top * height, right * width, bottom * height)
        small = picture.resize((48, 48), Image.Resampling.BILINEAR, box)
        x = torch.from_numpy(np.asarray(small, np.float32)[:, :, ::-1].transpose(2, 0, 1).copy())[None]  # BGR, 0..255
        points = self._net(x).reshape(5, 2).double().numpy()
        return np.asarray(box[:2] + points * [box[2] - box[0], box[3] - box[1]] - 0.5)


class PhotographFinder:
    """For whole photographs: the face that an insightface detector thinks is meant, large and near the middle.

    Args:
        pack: ``insightface:NAME``, or the folder or zip of a pack.
        owner: who asks, for messages.

    Raises:
        InputError: no such pack, or no detector in it.
    """

    def __init__(self, pack: str, owner: str) -> None:
        self.model, self.owner = find_model(pack, "detection", owner), owner

    def key(self) -> dict[str, Any]:
        """The detector, and the version of what is done with it."""
        return {"align": "photographs", "model": self.model.sha256, "version": 1}

    @cached_property
    def _detector(self) -> Any:
        scrfd = need("insightface.model_zoo.scrfd", "Whole photographs (align = 'photographs')")
        _, content = load_model(self.model.source, self.owner)
        try:
            detector = scrfd.SCRFD(session=open_session(content))
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise InputError(f"{self.owner}: {self.model.source} does not run ({describe_error(error)}).") from error
        if not detector.use_kps:
            raise InputError(f"{self.owner}: {self.model.source} finds faces but no landmarks; use another pack.")
        detector.prepare(-1, input_size=(640, 640), det_thresh=0.5)  # insightface's own defaults
        return detector

    def __call__(self, picture: Image.Image) -> Array | LeftOut:
        pixels = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])  # BGR
        _, points = self._detector.detect(pixels, max_num=1)
        if not len(points):
            return LeftOut("no face was found")
        return np.asarray(points[0], np.float64)


class Aligner:
    """Encoded picture -> aligned face.

    Args:
        finder: what finds its points.
        size: side of the aligned face in pixels.
    """

    def __init__(self, finder: Finder, size: int) -> None:
        self.finder, self.size = finder, size

    def __call__(self, data: bytes) -> np.ndarray | str:
        """(3, size, size) uint8 RGB; or why it cannot be read, or why it is left out."""
        picture = open_picture(data)
        if isinstance(picture, str):
            return picture
        points = self.finder(picture)
        return points if isinstance(points, LeftOut) else align(picture, points, self.size)


def find_landmarks(path: str, owner: str) -> Path:
    """The landmark model: ``path``, else in FACELEAK_WEIGHTS, else in the data pack.

    Raises:
        InputError: it is nowhere; the message names the places.
    """
    places = [Path(expand(path))] if path else []
    if not path and os.environ.get("FACELEAK_WEIGHTS"):
        places.append(Path(os.environ["FACELEAK_WEIGHTS"]).expanduser() / LANDMARKS)
    if not path and os.environ.get("FACELEAK_DATA"):
        places.append(Path(os.environ["FACELEAK_DATA"]).expanduser() / "aux" / LANDMARKS)
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(map(str, places)) or "FACELEAK_WEIGHTS and FACELEAK_DATA, neither of which is set"
    raise InputError(
        f"{owner}: a landmark model is needed, {LANDMARKS}, looked for at {looked}; put it there, or give its path "
        "with the setting landmarks."
    )
