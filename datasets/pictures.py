"""Reading pictures from bytes, without a traceback for what is not a picture."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow raises on damaged files, beside its own.
_DAMAGE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


class LeftOut(str):
    """Why a sound picture is not used, for example because no face is in it: counted, not refused."""


def open_picture(data: bytes) -> Image.Image | str:
    """Encoded bytes -> an RGB picture as its camera held it, or the reason why not."""
    if not data:
        return "the file is empty"
    if data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        return "the file begins with '<': an HTML page saved under a picture's name"
    try:
        with warnings.catch_warnings():
            # A face of that many pixels is no face: refused, not decoded with a warning.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as opened:
                return ImageOps.exif_transpose(opened).convert("RGB")
    except (*_DAMAGE, *_BOMBS) as error:
        return f"{type(error).__name__}: {error}".replace("\n", " ")[:200]


def read_picture(data: bytes, size: int) -> np.ndarray | str:
    """Encoded bytes -> (3, size, size) uint8 RGB, or the reason why not.

    A square picture is resized (bilinear with reduction); another shape is refused, because cropping would silently
    undo an alignment.
    """
    picture = open_picture(data)
    if isinstance(picture, str):
        return picture
    if picture.width != picture.height:
        return f"the picture is {picture.width}x{picture.height}, not square; align and crop it first"
    if picture.width != size:
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture).transpose(2, 0, 1)
