"""``faceleak fetch``: gets somebody else's file, and is the only part of the suite that downloads anything.

A download that stops goes on from where it was (HTTP Range), as long as the server still has the same file; what has
another sha256 than the table says is not kept. Beside what was got lies ``NAME.fetched.json``: from where, what, when.
"""

from __future__ import annotations

import datetime
import hashlib
import http.client
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.archives import unpack
from ..core.errors import InputError
from ..core.json_file import read_json
from ..core.paths import expand
from ..core.progress import Progress
from .downloads import ARTEFACTS, Artefact
from .listing import table

_BLOCK = 1 << 20  # bytes per step, so that progress counts MiB
_TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Fetched:
    """What a fetch left on disk.

    Args:
        path: the file, or the folder that the archive was unpacked into.
        sha256: of the file that was downloaded, in hexadecimal.
        resumed: bytes that an earlier, interrupted fetch had got.
        new: whether anything was downloaded now.
    """

    path: Path
    sha256: str
    resumed: int
    new: bool


def overview() -> str:
    """All that can be fetched, as an aligned table."""
    rows: list[tuple[str, ...]] = [(one.name, one.what, one.licence) for one in ARTEFACTS.values()]
    return table(("name", "what", "licence"), rows)


def notice(artefact: Artefact, folder: Path, url: str = "") -> str:
    """What the user is told before anything is downloaded."""
    must = "must be" if len(artefact.sha256) == 64 else "must begin with"
    pin = f"{must} {artefact.sha256}" if artefact.sha256 else "not pinned: none is known; what comes is recorded"
    return "\n".join(
        (
            f"{artefact.name}: {artefact.what}",
            f"  licence  {artefact.licence}",
            f"  terms    {artefact.terms}",
            f"  from     {url or artefact.url}",
            f"  to       {target(artefact, folder)}",
            f"  sha256   {pin}",
        )
    )


def place(artefact: Artefact, to: str = "") -> Path:
    """The folder that an artefact goes to: ``to``, else the artefact's own.

    Raises:
        InputError: its own needs an environment variable that is not set.
    """
    try:
        return Path(expand(to or artefact.place))
    except InputError as error:
        raise InputError(f"{artefact.name}: {error} Or give a folder with --to.") from error


def target(artefact: Artefact, folder: Path) -> Path:
    """The file or the folder that a fetch leaves below ``folder``."""
    return folder / (artefact.folder or artefact.file)


def fetch(artefact: Artefact, folder: Path, progress: Progress, url: str = "") -> Fetched:
    """Get ``artefact`` into ``folder``, unless it is there already.

    Args:
        artefact: what.
        folder: where to; made when needed.
        progress: where progress goes.
        url: a mirror to ask instead of the artefact's own address; the sha256 stays the same.

    Raises:
        InputError: something else lies at the target, the server fails or stops, another sha256, a damaged archive.
    """
    final, record = target(artefact, folder), folder / f"{artefact.name}.fetched.json"
    if final.exists():
        return _present(artefact, final, record)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{artefact.file}.part"
    resumed = download(url or artefact.url, part, progress)
    digest = _sha256(part)
    if not digest.startswith(artefact.sha256.lower()):
        _forget(part)
        raise InputError(
            f"{artefact.name}: what {url or artefact.url} served has sha256 {digest}, expected {artefact.sha256}; it "
            "was not kept. Fetch it again; if it stays so, the file was replaced: do not use it."
        )
    content = {**asdict(artefact), "url": url or artefact.url, "got": digest, "bytes": part.stat().st_size}
    if artefact.folder:
        _unpack(part, final, artefact.name)
    else:
        part.rename(final)
    _forget(part)
    content["date"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    record.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return Fetched(final, digest, resumed, new=True)


def _present(artefact: Artefact, final: Path, record: Path) -> Fetched:
    """What an earlier fetch, or the user, put there."""
    if final.is_file():
        digest = _sha256(final)
        if not digest.startswith(artefact.sha256.lower()):
            raise InputError(
                f"{final} is there with sha256 {digest}, expected {artefact.sha256}; it is another or a damaged file: "
                "move it away and fetch again."
            )
    else:
        digest = _noted(record)
    return Fetched(final, digest, 0, new=False)


def _noted(record: Path) -> str:
    """The sha256 that an earlier fetch wrote down; nothing where it did not, or not in one piece."""
    try:
        content = read_json(record)
    except (OSError, ValueError):
        return ""
    return str(content.get("got", "")) if isinstance(content, dict) else ""


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
            _forget(part)
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
        _forget(part)
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        _forget(part)
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


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        digest = hashlib.sha256()
        for block in iter(lambda: opened.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def _forget(part: Path) -> None:
    for file in (part, _origin(part)):
        file.unlink(missing_ok=True)


def _unpack(archive: Path, final: Path, name: str) -> None:
    """Unpack a zip or tar to ``final``, which appears by one rename; a single outer folder is left away.

    Raises:
        InputError: not an archive, a damaged one, or one that would write elsewhere.
    """
    fresh = final.with_name(f".{final.name}.unpacking")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        unpack(archive, fresh)
        inside = list(fresh.iterdir())
        (inside[0] if len(inside) == 1 and inside[0].is_dir() else fresh).rename(final)
    except Exception as error:
        # Of a file that is sound, a full disk or a folder that may not be written to; else what its packers raise.
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"{name}: cannot unpack to {final} ({error}); run the same command again then.") from error
        _forget(archive)
        raise InputError(
            f"{name}: the file that came is no sound archive ({type(error).__name__}: {str(error)[:300]}); it was not "
            "kept. Fetch it again."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
