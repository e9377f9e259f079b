"""Getting somebody else's file: ``faceleak fetch`` and ``faceleak prepare``, the only parts of the suite that download.

A download that stops goes on from where it was (HTTP Range), as long as the server still has the same file; what has
another digest than the table says is not kept. Where one address fails the next is asked; each keeps what it began.
Beside what was got lies ``NAME.fetched.json``: from where, what, when.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..core.archives import unpack
from ..core.errors import InputError
from ..core.json_file import read_json
from ..core.paths import expand
from ..core.progress import Progress
from .download import download, forget
from .origins import Artefact
from .place import WEIGHTS, default_place

_BLOCK = 1 << 20  # bytes


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


def notice(artefact: Artefact, folder: Path, url: str = "") -> str:
    """What the user is told before anything is downloaded."""
    first, *others = (url,) if url else artefact.urls
    lines = [
        f"{artefact.name}: {artefact.what}",
        f"  licence  {artefact.licence}",
        f"  terms    {artefact.terms}",
        f"  from     {first}",
        *(f"  or       {other}" for other in others),
        f"  to       {target(artefact, folder)}",
        f"  {_algorithm(artefact.digest)}   {_pinned(artefact.digest)}",
    ]
    return "\n".join(lines)


def _pinned(digest: str) -> str:
    if not digest:
        return "none is known: what comes is not verified, its digest is recorded"
    return f"{'must be' if len(digest) in (64, 96) else 'must begin with'} {digest}"


def place(artefact: Artefact, to: str = "") -> Path:
    """The folder that an artefact goes to by itself: ``to``, else where the suite looks for it.

    Raises:
        InputError: ``to`` has a variable that is not set.
    """
    if to:
        return Path(expand(to))
    data = os.environ.get("FACELEAK_DATA") or str(default_place())
    weights = os.environ.get("FACELEAK_WEIGHTS") or f"{data}/{WEIGHTS}"
    text = artefact.place.replace("${FACELEAK_DATA}", data).replace("${FACELEAK_WEIGHTS}", weights)
    return Path(text).expanduser()


def target(artefact: Artefact, folder: Path) -> Path:
    """The file or the folder that a fetch leaves below ``folder``."""
    return folder / (artefact.folder or artefact.file)


def fetch(artefact: Artefact, folder: Path, progress: Progress, url: str = "") -> Fetched:
    """Get ``artefact`` into ``folder``, unless it is there already.

    Args:
        artefact: what.
        folder: where to; made when needed.
        progress: where progress goes.
        url: a mirror to ask instead of the artefact's own addresses; the digest stays the same.

    Raises:
        InputError: something else lies at the target, or no address serves it: each is named with its reason.
    """
    final, record = target(artefact, folder), folder / f"{artefact.name}.fetched.json"
    if final.exists():
        return _present(artefact, final, record)
    folder.mkdir(parents=True, exist_ok=True)
    brought = folder / artefact.file
    if artefact.folder and brought.is_file():
        return _brought(artefact, brought, final)
    urls = (url,) if url else artefact.urls
    reasons: list[str] = []
    for count, address in enumerate(urls):
        part = folder / f"{artefact.file}.part{count or ''}"
        try:
            got = _from(artefact, address, part, final, progress)
        except InputError as error:
            reasons.append(str(error))
            if address != urls[-1]:
                progress.say(f"{error} Trying the next address.")
            continue
        for other in range(len(artefact.urls)):
            forget(folder / f"{artefact.file}.part{other or ''}")
        _note(artefact, address, got, record)
        return got
    if len(reasons) == 1:
        raise InputError(reasons[0])
    told = "".join(f"\n  {number}. {reason}" for number, reason in enumerate(reasons, 1))
    raise InputError(
        f"{artefact.name}: none of its {len(reasons)} addresses served it; what has come is kept, the same command "
        f"goes on. Or name a mirror (`faceleak fetch {artefact.name} --url ...`), or put the file at {brought}.{told}"
    )


def _brought(artefact: Artefact, archive: Path, final: Path) -> Fetched:
    """Unpack the archive that the user put where it belongs.

    Raises:
        InputError: another digest, or a damaged archive.
    """
    got = _present(artefact, archive, archive)
    _unpack(archive, final, artefact.name)
    return Fetched(final, got.sha256, 0, new=True)


def _from(artefact: Artefact, url: str, part: Path, final: Path, progress: Progress) -> Fetched:
    """Get it from one address.

    Raises:
        InputError: the server fails or stops, another digest, a damaged archive.
    """
    resumed = download(url, part, progress)
    if not _fits(part, artefact.digest):
        came = _digest(part, _algorithm(artefact.digest))
        forget(part)
        raise InputError(
            f"{artefact.name}: what {url} served has {_algorithm(artefact.digest)} {came}, expected {artefact.digest}; "
            "it was not kept. Fetch it again; if it stays so, the file was replaced: do not use it."
        )
    digest = _digest(part)
    if artefact.folder:
        _unpack(part, final, artefact.name)
    else:
        part.rename(final)
    return Fetched(final, digest, resumed, new=True)


def _note(artefact: Artefact, url: str, got: Fetched, record: Path) -> None:
    """Write down what came, from where and when."""
    content = artefact.model_dump() | {"url": url, "got": got.sha256, "verified": bool(artefact.digest)}
    content["date"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    record.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _present(artefact: Artefact, final: Path, record: Path) -> Fetched:
    """What an earlier fetch, or the user, put there."""
    if final.is_dir():
        return Fetched(final, _noted(record), 0, new=False)
    if not _fits(final, artefact.digest):
        raise InputError(
            f"{final} is there with {_algorithm(artefact.digest)} {_digest(final, _algorithm(artefact.digest))}, "
            f"expected {artefact.digest}; it is another or a damaged file: move it away and fetch again."
        )
    return Fetched(final, _digest(final), 0, new=False)


def _noted(record: Path) -> str:
    """The sha256 that an earlier fetch wrote down; nothing where it did not, or not in one piece."""
    try:
        content = read_json(record)
    except (OSError, ValueError):
        return ""
    return str(content.get("got", "")) if isinstance(content, dict) else ""


def _algorithm(digest: str) -> str:
    return "sha384" if len(digest) == 96 else "sha256"


def _fits(file: Path, digest: str) -> bool:
    return _digest(file, _algorithm(digest)).startswith(digest)


def _digest(file: Path, algorithm: str = "sha256") -> str:
    state = hashlib.new(algorithm)
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            state.update(block)
    return state.hexdigest()


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
        forget(archive)
        raise InputError(
            f"{name}: the file that came is no sound archive ({type(error).__name__}: {str(error)[:300]}); it was not "
            "kept. Fetch it again."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
