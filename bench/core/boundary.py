"""Where a user's errors end: one sentence on standard error and exit status 2, never a traceback.

What faceleak refuses on purpose is a ``FaceleakError``. What the operating system refuses (a folder that cannot be
made, a full disk, a name too long) is said in one sentence here. All else is a fault of faceleak, with its traceback.
"""

from __future__ import annotations

import errno
import re
import warnings
from typing import Any

from .errors import FaceleakError, shown

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space, or choose another folder, and give the command again: what has "
    "ended is kept",
    getattr(errno, "EDQUOT", -1): "your quota is used up; free some space, or choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "permission was denied; choose another folder, or change who may write there",
    errno.EPERM: "the operation is not permitted; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ENOTDIR: "a file is in the way where a folder should be; choose another folder, or move the file",
    errno.EEXIST: "a file is in the way where a folder should be; choose another folder, or move the file",
    errno.EISDIR: "a folder is in the way where a file should be; choose another name, or move the folder",
    errno.ENOENT: "there is no such file or folder; check the path",
    errno.EMFILE: "too many files are open; raise `ulimit -n`",
    errno.ELOOP: "symbolic links lead in a circle; correct them",
}
# Nothing that a run computes after one of these can be kept: it ends, where other errors end one cell.
FATAL = (errno.ENOSPC, getattr(errno, "EDQUOT", -1), errno.EROFS, errno.EMFILE)


def sentence(error: BaseException) -> str | None:
    """What a user is told of ``error``; None where it is a fault of faceleak's."""
    told = _sentence(error)
    return None if told is None else shown(told)


def _sentence(error: BaseException) -> str | None:
    if isinstance(error, FaceleakError):
        return str(error)
    number = system_error(error)
    if number is not None:
        place = getattr(error, "filename2", None) or getattr(error, "filename", None)
        known = _ADVICE.get(number) or f"{getattr(error, 'strerror', None) or error}; check the path and the disk"
        return f"{place}: {known}." if place else f"{known[0].upper()}{known[1:]}."
    if isinstance(error, MemoryError):
        return f"There is not enough memory ({error}); lower sizes and batches, or take a larger machine."
    if isinstance(error, UnicodeEncodeError | UnicodeDecodeError):
        return f"Text that is no UTF-8 was met ({error}); save the file as UTF-8, or set PYTHONUTF8=1."
    return None


def system_error(error: BaseException | None) -> int | None:
    """The operating system's number, also where a library wraps it in an error of its own (safetensors, pyarrow)."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        told = re.search(r"os error (\d+)|Os \{ code: (\d+)|\[Errno (\d+)\]", str(error))
        if told and type(error).__module__.split(".")[0] in ("safetensors", "safetensors_rust", "pyarrow", "zipfile"):
            return int(next(number for number in told.groups() if number))
        error = error.__cause__
    return None


def fatal(error: BaseException) -> bool:
    """Whether a run cannot go on after it."""
    return system_error(error) in FATAL


def plain_warnings() -> None:
    """Warnings of faceleak's own are one line without the place in its source; others keep their form."""
    usual = warnings.showwarning

    def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        import sys

        if category.__module__.split(".")[0] == __name__.split(".")[0]:
            print(f"faceleak: warning: {shown(str(message))}", file=sys.stderr)
        else:
            usual(message, category, *where, **more)

    warnings.showwarning = show
