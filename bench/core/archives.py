"""Zips and tapes of others: what climbs out of the folder, or grows beyond what was sent, is refused."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath

from .errors import InputError

GROWTH, SMALL = 32, 256 << 20  # times its size that an archive may unpack to, and bytes that any may
MOST_MEMBERS = 5_000_000
MOST_HEADER = 1 << 20  # bytes of a name, or of what a header says beside it
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
_WINDOW = 256 << 20  # bytes that an .xz may ask for to be unpacked; `xz -9` asks for 65 MiB
_PART = 1 << 20
_XZ = b"\xfd7zXZ\0"
_PACKED = {b"\x1f\x8b": "r:gz", b"BZ": "r:bz2"}


def climbs(name: str) -> bool:
    """Whether a member's name leads out of the folder that it is unpacked into, on any system."""
    path = PureWindowsPath(name)  # parts at / and at \\, knows drives
    return bool(path.anchor) or ".." in path.parts or "\0" in name or ":" in name.split("/")[0]


def hungry(member: zipfile.ZipInfo) -> bool:
    """Whether it is packed by LZMA, whose unpacking reserves whatever memory the archive asks for, up to 4 GiB."""
    return member.compress_type == zipfile.ZIP_LZMA


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or a tar, compressed or not, into ``folder``.

    Raises:
        InputError: a member that leads elsewhere, or more than an archive of that size can honestly hold.
        Exception: of any kind, for a damaged archive.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            if any(map(hungry, packed.infolist())):
                raise InputError("it is packed by LZMA, which may ask for any memory; pack it by deflate")
            _check(archive, ((one.filename, one.file_size) for one in packed.infolist()))
            packed.extractall(folder)  # never more of a member than its declared size  # nosec B202
        return
    if _begins(archive, len(_XZ)) != _XZ:
        untape(archive, folder)
        return
    tape = folder.with_name(f"{folder.name}.tar")
    try:
        inflate(archive, tape)
        untape(tape, folder)
    finally:
        tape.unlink(missing_ok=True)


def untape(archive: Path, folder: Path) -> None:
    """``unpack`` of what is a tar, whatever it holds: a zip at the end of one that is not compressed looks like one."""
    # Not as Python finds out by itself: it would try LZMA, too, which reserves what the file asks for.
    mode = _PACKED.get(_begins(archive, 2), "r:")
    with tarfile.open(archive, mode, tarinfo=_Member) as tape:  # type: ignore[call-overload]
        _check(archive, ((one.name, one.size) for one in tape))
        tape.extractall(folder, filter="data")  # refuses links that lead elsewhere, and devices


def _begins(file: Path, count: int) -> bytes:
    with file.open("rb") as opened:
        return opened.read(count)


class _Member(tarfile.TarInfo):
    """A member of a tape; one that holds a name or a header of others is read whole, so it must be small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        """The member that 512 bytes tell of."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS and found.size > MOST_HEADER:
            raise InputError(f"a header in it is said to have {found.size} bytes")
        return found


def inflate(packed: Path, file: Path) -> None:
    """Write what an .xz holds into ``file``, never more than an archive of its size can honestly hold.

    Raises:
        InputError: it grows beyond that, or ends early, or something follows.
        lzma.LZMAError: it is damaged, or asks for more memory than ``xz -9`` does.
    """
    most, total = max(SMALL, GROWTH * packed.stat().st_size), 0
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, _WINDOW)
    with packed.open("rb") as source, file.open("wb") as target:
        while not unpacker.eof:
            data = source.read(_PART) if unpacker.needs_input else b""
            if unpacker.needs_input and not data:
                raise InputError("it ends early")
            part = unpacker.decompress(data, _PART)
            total += len(part)
            if total > most:
                raise InputError(f"it would unpack to more than {most >> 20} MiB, {GROWTH} times its size")
            target.write(part)
        if unpacker.unused_data or source.read(1):
            raise InputError("something follows its end")


def _check(archive: Path, members: Iterable[tuple[str, int]]) -> None:
    most, total = max(SMALL, GROWTH * archive.stat().st_size), 0
    for count, (name, size) in enumerate(members):
        if climbs(name):
            raise InputError(f"its member {name[:200]!r} lies outside of the archive")
        total += size
        if total > most or count > MOST_MEMBERS:
            raise InputError(f"it would unpack to more than {most >> 20} MiB, {GROWTH} times its size")
