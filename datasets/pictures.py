"""Reading pictures from bytes, without a traceback for what is not a picture."""

from __future__ import annotations

import contextlib
import functools
import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MOST_BYTES = 256 << 20  # of one encoded picture; a larger file is no face
HEIC = (".heic", ".heif", ".hif")  # phones write them; read where the extra ``heic`` is installed
# Formats that Pillow hands to another program, or knows the header of only.
_NOT_READ = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "IPTC", "MCIDAS", "XVTHUMB", "FITS", "GBR"})
_WORD = 257  # 65535 / 255
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")


class LeftOut(str):
    """Why a sound picture is not used, for example because no face is in it: counted, not refused."""


@functools.cache
def formats() -> tuple[str, ...]:
    """Names of the formats that are read, as Pillow has them, in Pillow's order."""
    Image.init()
    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(name for name in Image.ID if name not in _NOT_READ)


@functools.cache
def suffixes() -> tuple[str, ...]:
    """Ends of the names of pictures that are read, in lower case."""
    read = set(formats())
    return tuple(sorted(end for end, name in Image.registered_extensions().items() if name in read))


def open_picture(data: bytes) -> Image.Image | str:
    """Encoded bytes -> an RGB picture as its camera held it, or the reason why not.

    Sixteen bits are scaled to eight, what is transparent is laid over white, of several frames the first is taken.
    """
    if not data:
        return "the file is empty"
    if data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        return "the file begins with '<': an HTML page saved under a picture's name"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata, which a face does not need
            # A face of that many pixels is no face: refused, not decoded with a warning.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=formats()) as opened:
                return _as_seen(opened)
    except UnidentifiedImageError:
        return "UnidentifiedImageError: nothing that Pillow knows as a picture"  # its own words name an address
    except Exception as error:  # Pillow's readers of damaged files raise what Python does
        return f"{type(error).__name__}: {error}".replace("\n", " ")[:200]


def frames(data: bytes) -> int:
    """How many pictures an animation or a scan of several pages holds; 1 for all else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=formats()) as opened:
                # A phone's MPO holds previews of the same picture.
                return 1 if opened.format == "MPO" else int(getattr(opened, "n_frames", 1))
    except Exception:  # as in ``open_picture``, which says why
        return 1


def _as_seen(opened: Image.Image) -> Image.Image | str:
    """The picture in RGB as a viewer shows it, or why nobody can say how that is."""
    picture = ImageOps.exif_transpose(opened)
    words = picture.mode.startswith("I;16") and "S" not in picture.mode
    if words or (picture.mode == "I" and opened.format in ("PNG", "PPM")):
        grey = np.rint(np.asarray(picture).astype(np.float32) / np.float32(_WORD)).clip(0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if picture.mode[:1] in ("I", "F"):
        return f"pixels of mode {picture.mode} have no known range; save the picture with 8 or 16 bits"
    if picture.mode in _ALPHA or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        if clear.getextrema()[3][1] == 0:  # type: ignore[index, misc]
            return "the picture is transparent all over: nobody sees anything of it"
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return picture.convert("RGB")


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
