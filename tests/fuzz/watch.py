"""Inputs read one after another in a child process that may neither hang, nor grow, nor die, nor run what it reads."""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceleak.bench.core.boundary import sentence
from faceleak.bench.core.errors import BLANKS, FaceleakError

SECONDS = 5  # of the processor's time that an input may take
ASLEEP = 900  # seconds on the wall after which a child that computes nothing counts as hung; machines may be busy
MEMORY = 1 << 30  # bytes that a child may hold more than at its start
FILE = 256 << 20  # bytes of a file that it may write
LONGEST = 2100  # characters of a message
Make = Callable[[int], bytes]  # number -> input
Read = Callable[[Path], Any]

_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.kill", "subprocess.Popen", "socket.connect",
              "socket.bind", "socket.getaddrinfo", "ctypes.dlopen", "webbrowser.open")  # fmt: skip
_SHORT_OF_MEMORY = ("MemoryError", "bad_alloc", "alloc_cpu", "can't allocate memory", "Failed to allocate memory",
                    "Unable to allocate")  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """An input that did not end in a result or a ``FaceleakError``."""

    number: int
    kind: str  # crash, hang, memory, code, error, words
    told: str

    @property
    def where(self) -> str:
        """Equal for faults of one cause."""
        return f"{self.kind}: {self.told.splitlines()[0][:160]}"


def watch(read: Read, make: Make, numbers: range, suffix: str, until: float = float("inf")) -> tuple[int, list[Fault]]:
    """Read the inputs of ``numbers``; a child that dies is replaced and goes on with the next one.

    Args:
        read: what is given the file of an input.
        make: from a number to an input.
        numbers: which inputs.
        suffix: of the files.
        until: ``time.monotonic`` at which to stop.

    Returns:
        How many were read, and what went wrong.
    """
    faults: list[Fault] = []
    start, shared = numbers.start, mmap.mmap(-1, 16)
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_room()) as folder:
        log = Path(folder) / "faults.jsonl"
        while start < numbers.stop and time.monotonic() < until:
            log.write_bytes(b"")
            shared[:8] = start.to_bytes(8, "little")
            child = os.fork()
            if not child:
                _child(read, make, range(start, numbers.stop), Path(folder), suffix, shared, until)
            status = _wait(child, shared)
            at = int.from_bytes(shared[:8], "little")
            faults += [Fault(**json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
                start = at
                break
            faults.append(_death(status, at))
            start = at + 1
    return start - numbers.start, faults


def _room() -> str | None:
    """A folder in memory where there is one: hundreds of files a second."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _wait(child: int, shared: mmap.mmap) -> int:
    """The child's status; a child that sleeps is killed."""
    seen, since = shared[:8], time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if shared[:8] != seen:
            seen, since = shared[:8], time.monotonic()
        if time.monotonic() - since > ASLEEP:
            os.kill(child, signal.SIGALRM)
            since = time.monotonic()
        time.sleep(0.02)


def _death(status: int, at: int) -> Fault:
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number in (signal.SIGXCPU, signal.SIGALRM, signal.SIGPROF):
        return Fault(at, "hang", f"more than {SECONDS} s")
    return Fault(at, "crash", signal.Signals(number).name if number else f"exit {os.WEXITSTATUS(status)}")


def _child(read: Read, make: Make, numbers: range, folder: Path, suffix: str, shared: mmap.mmap, until: float) -> None:
    """Never returns."""
    faulthandler.disable()  # its account of a crash would stand in the parent's output
    for name in (signal.SIGXCPU, signal.SIGALRM):
        signal.signal(name, signal.SIG_DFL)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    if (told := Path("/proc/self/statm")).is_file():
        held = int(told.read_text("utf-8").split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    ran: list[str] = []
    sys.addaudithook(lambda event, arguments: _audit(event, arguments, ran))
    log = os.open(folder / "faults.jsonl", os.O_WRONLY | os.O_APPEND)
    file = folder / f"input{suffix}"
    code = 0
    try:
        for number in numbers:
            shared[:8] = number.to_bytes(8, "little")
            if time.monotonic() >= until:
                break
            used = int(time.process_time())
            resource.setrlimit(resource.RLIMIT_CPU, (used + SECONDS + 1, resource.RLIM_INFINITY))
            if told := judged(read, make(number), file, ran):
                os.write(log, (json.dumps({"number": number, "kind": told[0], "told": told[1]}) + "\n").encode())
        else:
            shared[:8] = numbers.stop.to_bytes(8, "little")
    except BaseException:
        os.write(log, (json.dumps({"number": 0, "kind": "harness", "told": traceback.format_exc()}) + "\n").encode())
        code = 3
    finally:
        os._exit(code)


def judged(read: Read, data: bytes, file: Path, ran: list[str]) -> tuple[str, str] | None:
    """What is wrong with how an input ended; nothing where it gave a result or one plain sentence."""
    file.write_bytes(data)
    error: Exception | None = None
    result: Any = None
    try:
        result = read(file)
    except Exception as caught:
        error = caught
    if ran:
        happened = ran[:]
        ran.clear()
        return "code", "; ".join(happened[:3])
    if error is not None and _short(error):
        return "memory", _told(error)
    if isinstance(result, str) and _short_text(result):
        return "memory", result
    if error is not None and not isinstance(error, FaceleakError):
        return "error", _told(error)
    said = sentence(error) if error is not None else ""
    if said is None or len(said) > LONGEST or not all(one.isprintable() or one in "\n" + BLANKS for one in said):
        return "words", f"{type(error).__name__}: {str(error)[:300]!r}"
    return None


def _short(error: BaseException | None) -> bool:
    """Whether memory ran out, here or in what it came from: refused only because this process may hold so little."""
    while error is not None:
        if isinstance(error, MemoryError) or _short_text(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _short_text(text: str) -> bool:
    return any(word in text for word in _SHORT_OF_MEMORY)


def _told(error: BaseException) -> str:
    steps = traceback.extract_tb(error.__traceback__)
    last = f" at {Path(steps[-1].filename).name}:{steps[-1].name}" if steps else ""
    own = [step for step in steps if "/bench/" in step.filename or "/datasets/" in step.filename]
    place = f", {Path(own[-1].filename).name}:{own[-1].name}" if own else ""
    return f"{type(error).__name__}{last}{place}\n{str(error)[:300]}"


def _audit(event: str, arguments: tuple[Any, ...], ran: list[str]) -> None:
    if event in _FORBIDDEN:
        ran.append(f"{event} {str(arguments)[:100]}")
        raise RuntimeError(f"{event} is not for readers")
