"""Arrays that a cell keeps, read as they were written: plain numbers and texts, as large as their file."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path

import numpy as np


def read_arrays(file: Path) -> dict[str, np.ndarray]:
    """Name -> array of an ``.npz`` that ``numpy.savez`` wrote.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no such file: damaged, compressed, or an array says that it is larger than its bytes.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in archive.infolist()}
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # EINVAL: a place before the file's beginning
            raise
        raise ValueError(f"{file.name} holds no arrays ({error})") from error
    except Exception as error:  # zipfile and numpy raise what damaged bytes make of them
        raise ValueError(f"{file.name} holds no arrays ({type(error).__name__}: {str(error)[:200]})") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError("it is compressed, and savez compresses nothing")
    with archive.open(member) as opened:
        version = np.lib.format.read_magic(opened)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"format {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = read(opened)
        if dtype.hasobject or dtype.fields or dtype.subdtype:
            raise ValueError(f"elements of {dtype}, where numbers and texts are kept")
        data = opened.read()
    return np.ndarray(shape, dtype, data, order="F" if by_column else "C").copy()  # refuses fewer bytes than it needs
