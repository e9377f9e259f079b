"""YuNet, a small face detector with five points, through ``cv2.FaceDetectorYN``: for whole photographs.

Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023; the file is
opencv_zoo's (MIT). A photograph is reduced first, because the network knows faces up to about 300 pixels. Its points
are coarse: on 221 of LFW's faces they lie 6 pixels of 112 (root mean square) off the alignment of the committed boards,
and 2 where the landmark model sees them once more. So it does where it is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..bench.core.errors import InputError
from ..bench.core.extras import need
from ..bench.core.onnx_file import describe_error, load_model
from ..bench.core.weights import expand_path, file_sha256
from ..bench.zoo.packs import has_pack
from .alignment import Array, CropFinder, Finder, PhotographFinder
from .pictures import LeftOut

MODELS = "*yunet*.onnx"
_ERRORS = 2  # OpenCV's LOG_LEVEL_ERROR
_LONGEST = 640  # pixels of the longer side
_SCORE, _OVERLAP, _MOST = 0.6, 0.3, 5000  # OpenCV's defaults but for the score (.9), which loses faces in profile


class YunetFinder:
    """The points of the face that is meant: large and near the middle, as insightface chooses, or the most central one.

    Args:
        file: the ONNX file.
        owner: who asks, for messages.
        central: take the face whose middle is nearest to the picture's, whatever its size.
        landmarks: what sees the points once more; None: they stay as the detector has them.

    Raises:
        InputError: there is no such file.
    """

    def __init__(self, file: Path, owner: str, *, central: bool = False, landmarks: CropFinder | None = None) -> None:
        if not file.is_file():
            raise InputError(f"{owner}: there is no detector at {file}; `faceleak prepare photographs` gets one.")
        self.file, self.owner, self.central, self.landmarks = file, owner, central, landmarks

    def key(self) -> dict[str, Any]:
        """The detector, and the version of what is done with it."""
        how = {"central": True} if self.central else {}
        points = {"landmarks": self.landmarks.key()} if self.landmarks else {}
        return {"align": "photographs", "yunet": file_sha256(self.file), "version": 1, **how, **points}

    @cached_property
    def _detector(self) -> Any:
        cv2 = need("cv2", "Whole photographs (align = 'photographs')")
        _, content = load_model(self.file, self.owner)
        with _quiet(cv2):
            try:
                model, none = np.frombuffer(content, np.uint8), np.empty(0, np.uint8)
                return cv2.FaceDetectorYN.create("onnx", model, none, (320, 320), _SCORE, _OVERLAP, _MOST)
            except cv2.error as error:
                raise self._refused(error) from error

    def _refused(self, error: Exception) -> InputError:
        return InputError(
            f"{self.owner}: OpenCV cannot run {self.file} ({describe_error(error)}); it wants YuNet of 2023 or later, "
            "and opencv-python-headless 4.8 or later."
        )

    def __call__(self, picture: Image.Image) -> Array | LeftOut:
        """(5, 2) points in pixels of ``picture``, RGB; or why there are none."""
        scale = min(1.0, _LONGEST / max(picture.size))
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        small = picture.resize(size, Image.Resampling.BILINEAR)
        faces = self._faces(small)  # (N, 15): left, top, width, height, five points, score
        if not len(faces):
            return LeftOut("no face was found")
        off = ((faces[:, :2] + faces[:, 2:4] / 2 - np.array(small.size) / 2) ** 2).sum(1)
        worth = -off if self.central else faces[:, 2] * faces[:, 3] - 2 * off
        # From the pixels' corners and back: the middle of the first pixel is (0, 0) before and after.
        factor = np.array(picture.size) / np.array(small.size)
        points = np.asarray((faces[worth.argmax(), 4:14].reshape(5, 2) + 0.5) * factor - 0.5)
        return self.landmarks.refined(picture, points) if self.landmarks else points

    def _faces(self, picture: Image.Image) -> Array:
        cv2 = need("cv2", "Whole photographs (align = 'photographs')")
        pixels = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])  # BGR
        with _quiet(cv2):
            try:
                self._detector.setInputSize(picture.size)
                found = self._detector.detect(pixels)[1]
            except cv2.error as error:
                raise self._refused(error) from error
        faces = np.empty((0, 15)) if found is None else np.asarray(found, np.float64)
        return faces[np.isfinite(faces).all(1)]


@contextmanager
def _quiet(cv2: Any) -> Iterator[None]:
    """OpenCV's own lines on standard error, while a detector is at work, are errors only."""
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 and 4
    before = log.getLogLevel()
    log.setLogLevel(_ERRORS)
    try:
        yield
    finally:
        log.setLogLevel(before)


def find_yunet() -> Path | None:
    """The detector's file in FACELEAK_WEIGHTS or in the data pack; None where there is none."""
    for variable, inside in (("FACELEAK_WEIGHTS", ""), ("FACELEAK_DATA", "aux")):
        if folder := os.environ.get(variable):
            for file in sorted((Path(folder).expanduser() / inside).glob(MODELS)):
                return file
    return None


def photograph_finder(detector: str, landmarks: str, owner: str) -> Finder:
    """What finds the faces in whole photographs.

    Args:
        detector: ``auto``: the detector of insightface's buffalo_l where that pack is there, else YuNet; ``yunet``; a
            path that ends in ``.onnx``: a YuNet file; else the name or path of an insightface pack.
        landmarks: of the landmark model, for YuNet's points; empty: the one that is there, if one is.
        owner: who asks, for messages.

    Raises:
        InputError: it is not there; the message says what gets it.
    """
    if detector not in ("auto", "yunet") and not detector.endswith(".onnx"):
        return PhotographFinder(detector, owner)
    if detector == "auto" and has_pack("insightface:buffalo_l"):
        return PhotographFinder("insightface:buffalo_l", owner)
    file = expand_path(detector, owner) if detector.endswith(".onnx") else find_yunet()
    if file is None:
        raise InputError(
            f"{owner}: photographs need a face detector, and neither FACELEAK_WEIGHTS nor FACELEAK_DATA/aux holds a "
            f"{MODELS}; `faceleak prepare photographs` gets it (and pip install 'faceleak[align]'), or take an "
            "insightface pack: `faceleak fetch buffalo_l`."
        )
    try:
        points = CropFinder(landmarks, owner)
    except InputError:
        if landmarks:
            raise
        return YunetFinder(file, owner)
    return YunetFinder(file, owner, landmarks=points)
