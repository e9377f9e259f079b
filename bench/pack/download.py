"""One file from one address, by HTTP: begun, gone on with, and never mixed with another version of itself."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.json_file import read_json
from ..core.progress import Progress

_BLOCK = 1 << 20  # bytes per step, so that progress counts MiB
_TIMEOUT = 60  # seconds without a byte


def download(url: str, part: Path, progress: Progress) -> int:
    """Bring the file at ``url`` into ``part``, from where an earlier call stopped; returns the bytes that it had got.

    Beside ``part`` lies ``part.from``: the address and the server's mark for the version of the file (ETag or date).
    The mark goes back with the request, so that a file that has changed since is sent whole, never mixed.

    Raises:
        InputError: no such address, the server refuses, or it stops before the end; then ``part`` stays for next time.
    """
    if not url.startswith(("https://", "http://")):
        raise InputError(f"{url!r} is no address that can be fetched; it must begin with https:// or http://.")
    have, mark = _begun(url, part)
    request = urllib.request.Request(url, headers={"User-Agent": "faceleak", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", mark)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # nosec B310
            have = _answered(response, have, url, part)
            _copy(response, part, have, progress)
    except urllib.error.HTTPError as error:
        if have and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # complete, or shorter now
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return have
            forget(part)
            return download(url, part, progress)
        raise InputError(
            f"{url} answers {error.code} {error.reason}; it may have moved: give a mirror with --url."
        ) from error
    except (OSError, http.client.HTTPException) as error:  # no route, a name that is unknown, a full disk, a reset
        reason = getattr(error, "reason", error)
        raise InputError(
            f"{url} could not be read to the end ({type(error).__name__}: {reason}); run the same command again, it "
            "goes on from where it stopped."
        ) from error
    return have


def _begun(url: str, part: Path) -> tuple[int, str]:
    """Bytes that may be kept, and the mark of their version: none without a strong mark from the same address."""
    try:
        content = read_json(_origin(part))
        have = part.stat().st_size
    except (OSError, ValueError):
        return 0, ""
    content = content if isinstance(content, dict) else {}
    mark = str(content.get("mark", ""))
    # A weak ETag promises the same meaning, not the same bytes.
    return (have, mark) if content.get("url") == url and mark and not mark.startswith("W/") else (0, "")


def _answered(response: Any, have: int, url: str, part: Path) -> int:
    """How many bytes stand after the server's answer: all, or none where it sends the file whole; keeps its mark.

    Raises:
        HTTPException: it sends another part than was asked for.
    """
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        have = 0
        forget(part)
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        forget(part)
        raise http.client.HTTPException("other bytes came than were asked for; it begins anew next time")
    mark = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
    _origin(part).write_text(json.dumps({"url": url, "mark": mark}), encoding="utf-8")
    return have


def _origin(part: Path) -> Path:
    return part.with_name(part.name + ".from")


def _copy(response: Any, part: Path, have: int, progress: Progress) -> None:
    """Append ``response`` to the first ``have`` bytes of ``part``.

    Raises:
        OSError: fewer bytes came than were announced.
    """
    length = int(response.headers.get("Content-Length") or 0)
    with part.open("r+b" if have else "wb") as file:
        file.truncate(have)
        file.seek(have)
        blocks: Iterator[bytes] = iter(lambda: response.read(_BLOCK), b"")
        for block in progress.track(blocks, -(-length // _BLOCK), f"fetching {part.stem}, MiB"):
            file.write(block)
        got = file.tell()
    if length and got < have + length:
        raise OSError(f"{got} of {have + length} bytes came")


def forget(part: Path) -> None:
    """Remove a part and what is written down of it."""
    for file in (part, _origin(part)):
        file.unlink(missing_ok=True)
