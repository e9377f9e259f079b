"""Text files as people and programs save them: with a byte order mark, in UTF-16, in the old Latin encodings."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

from ..bench.core.errors import DataError

MOST = 512 << 20  # bytes of a list
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip


def read_text(file: Path) -> str:
    """The text of a list, its letters composed (NFC).

    Raises:
        DataError: it cannot be opened, is too large, or is no text.
    """
    try:
        size = file.stat().st_size
        if size > MOST:
            raise DataError(f"{file} has {size >> 20} MiB, more than any list; is it the right file?")
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror or error}).") from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding and data[:200].count(0) * 3 > len(data[:200]):  # every second byte of UTF-16 Latin text is zero
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding:
            raise DataError(f"{file} is no {encoding} text ({error.reason}); save it as UTF-8.") from error
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise DataError(f"{file} is no text: it holds zero bytes.")
    return unicodedata.normalize("NFC", text)


def number(text: str) -> int | None:
    """A whole number of at most 18 digits, or None."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None
