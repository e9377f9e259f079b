"""The pictures below a folder or in a zip, as their publishers pack them; what is passed over is named, and why."""

from __future__ import annotations

import os
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..bench.core.archives import climbs, hungry
from ..bench.core.errors import DataError, shown
from .pictures import HEIC, MOST_BYTES, suffixes

_JUNK_FILES = frozenset({"thumbs.db", ".ds_store", "desktop.ini"})
_JUNK_FOLDERS = frozenset({"__macosx", "@eadir"})
DEAD_LINK = "a link to nothing"
MISNAMED = "a picture by its first bytes and not by its name; rename it"
_NAMELESS = "its name is no text; rename it"
_SYSTEM = "a file of the system that packed or showed the pictures"
# The first bytes of files that are pictures whatever their names say.
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*")


@dataclass(frozen=True)
class Found:
    """One picture.

    Args:
        source: the folder or the zip.
        file: name in it, as it stands there.
        size: bytes.
        stamp: changes when the picture does: time of change in a folder, CRC in a zip.
    """

    source: Path
    file: str
    size: int
    stamp: int

    @property
    def name(self) -> str:
        """The name with composed letters (NFC): macOS writes others, and lists of pairs and labels do not.

        Folders are parted by ``/``; old packers of Windows write backslashes.
        """
        name = self.file if self.source.is_dir() else self.file.replace("\\", "/")
        return unicodedata.normalize("NFC", name)

    def read(self, archive: zipfile.ZipFile | None) -> bytes | str:
        """The encoded picture, or why it cannot be had."""
        if self.size > MOST_BYTES:
            return f"the file has {self.size >> 20} MiB, more than the {MOST_BYTES >> 20} of any picture of a face"
        try:
            if archive is None:
                return (self.source / self.file).read_bytes()
            return archive.read(self.file)  # never more than the declared size
        except Exception as error:  # encrypted, unknown packing, damaged: zipfile raises what its packers do
            return f"{type(error).__name__}: {error}"


def pictures_in(source: Path) -> tuple[list[Found], dict[str, str]]:
    """All pictures of a folder or a zip in the order of their names, and what is passed over: name -> reason.

    Raises:
        DataError: neither a folder nor a sound zip, or a zip whose members lie outside of it.
    """
    passed: dict[str, str] = {}
    found = list(_in_folder(source, passed) if source.is_dir() else _in_zip(source, passed))
    return sorted(found, key=lambda one: (one.name, one.file)), passed


def _in_folder(source: Path, passed: dict[str, str]) -> Iterator[Found]:
    """Linked folders are entered, each folder once: real ones first, so that a link never takes their place."""
    above = set(map(str, Path(os.path.realpath(source)).parents))
    entered = {os.path.realpath(source)}
    real, linked = [source], list[Path]()
    while real or linked:
        folder = (real or linked).pop(0)
        name = _relative(folder, source)
        if folder is not source and (reason := _not_entered(folder, name, above, entered)):
            passed[_said(name)] = reason
            continue
        try:
            entries = sorted(os.scandir(folder), key=lambda one: one.name)
        except OSError as error:
            passed[_said(name)] = f"the folder cannot be opened ({error.strerror})"
            continue
        for entry in entries:
            path = Path(entry.path)
            if os.path.isdir(entry.path):
                (linked if entry.is_symlink() else real).append(path)
            elif reason := _no_file(path, _relative(path, source)):
                passed[_said(_relative(path, source))] = reason
            else:
                status = entry.stat()
                yield Found(source, _relative(path, source), status.st_size, status.st_mtime_ns)


def _said(name: str) -> str:
    """A name as it can be printed."""
    return shown(name.encode("utf-8", "backslashreplace").decode()).replace("\n", "\\n")


def _relative(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix()


def _not_entered(folder: Path, name: str, above: set[str], entered: set[str]) -> str:
    """Why a folder is passed over; empty, and noted, where it is entered."""
    place = os.path.realpath(folder)
    if not _printable(name):
        return _NAMELESS
    if place in above:
        return "a link to a folder that holds it"
    if place in entered:
        return "a link to a folder that is read already"
    entered.add(place)
    return _packing(f"{name}/")


def _no_file(path: Path, name: str) -> str:
    """Why what stands in a folder is no picture; empty where it is one."""
    if not _printable(name):
        return _NAMELESS
    if path.is_symlink() and not path.exists():
        return DEAD_LINK
    if not path.is_file():
        return "neither file nor folder"
    return _packing(name) or _no_picture(name, lambda: _head(path))


def _printable(name: str) -> bool:
    """Whether tables can hold a name: Linux takes any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not any(unicodedata.category(letter) == "Cc" for letter in name)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError:
        return b""


def _in_zip(source: Path, passed: dict[str, str]) -> Iterator[Found]:
    try:
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():
                name = info.filename
                if climbs(name):
                    raise DataError(f"{source}: its member {name!r} lies outside of the archive; get it elsewhere.")
                if info.is_dir():
                    continue
                linked = stat.S_ISLNK(info.external_attr >> 16)
                place = name.replace("\\", "/")
                reason = _packing(place) or ("a link in an archive" if linked else _no_picture(place, lambda: b""))
                reason = "packed by LZMA, which may ask for any memory" if hungry(info) else reason
                reason = reason if _printable(name) else _NAMELESS
                if reason:
                    passed[_said(name)] = reason
                else:
                    yield Found(source, name, info.file_size, info.CRC)
    except DataError:
        raise
    except Exception as error:  # zipfile raises what damaged bytes make of it
        tape = "; unpack a .tar or .tgz first" if ".t" in source.name else ""
        raise DataError(
            f"{source} is not a zip file ({type(error).__name__}: {error}); give a folder or a zip{tape}, or download "
            "it again."
        ) from error


def _packing(name: str) -> str:
    """Why something belongs to a packer or a viewer and not to the set; empty where it does not."""
    *folders, last = name.split("/")
    if any(part.lower() in _JUNK_FOLDERS or part.startswith(".") for part in folders):
        return _SYSTEM
    return _SYSTEM if last.startswith("._") or last.lower() in _JUNK_FILES else ""


def _no_picture(name: str, head: Callable[[], bytes]) -> str:
    """Why a file is no picture by its name; empty where it is one."""
    end = PurePosixPath(name).suffix.lower()
    if end in suffixes():
        return ""
    if end in HEIC:
        return f"{end} is read with `pip install 'faceleak[heic]'`, which is not there"
    begins = head()
    if begins.startswith(_MAGIC) or (begins[:4] == b"RIFF" and begins[8:12] == b"WEBP"):
        return MISNAMED
    return f"{end or 'a file without a suffix'} is no picture that is read"
