"""A clean process that holds the libraries and nothing of a run; attack's processes are forked from it.

Importing torch and all plug-ins takes seconds; a fork takes milliseconds. The template never computes, so a fork of it
is safe, and it is told nothing, so a fork of it knows nothing: what one attack learns or leaves behind ends with it.
Workers of a run are forked from it as well, for the time that it saves; such a one is told everything, and its socket
brings the harness's end of this one along, so that it can ask for attack's processes too.

``python -m faceleak.bench.isolation.template FD`` reads plug-in files and import paths from the socket FD (one line of
JSON), then forks a child for every message that brings sockets.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import socket
import sys
from multiprocessing.connection import Connection

READY = b"ready"
_LINE = 1 << 20


def main(number: int) -> None:
    """Serve until the harness hangs up."""
    control = socket.socket(fileno=number)
    start = json.loads(control.recv(_LINE, socket.MSG_WAITALL).rstrip(b" "))
    sys.path[:] = start["path"]
    _import(start["plugins"])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ends when the harness does
    with contextlib.suppress(ConnectionError):  # a harness that was killed hangs up too
        control.sendall(READY)
        _serve(control)


def _serve(control: socket.socket) -> None:
    while True:
        _, handles, _, _ = socket.recv_fds(control, 1, 2)
        if not handles:
            return
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _live(*handles)  # SIGINT stays ignored: a Ctrl-C is the driver's, who hangs up
        for handle in handles:
            os.close(handle)


def _import(plugins: list[str]) -> None:
    """What attacks need, so that no child imports it again."""
    from ..core.registry import ATTACKS, DEFENSES, RECOGNIZERS, load_plugin
    from . import child  # noqa: F401

    for one in (ATTACKS, DEFENSES, RECOGNIZERS):
        one.discover()
    for file in plugins:
        load_plugin(file)


def _live(number: int, *control: int) -> None:
    """The whole life of a child; a worker's has a second socket and says first what it does."""
    from .child import work

    code = 1
    try:
        connection = Connection(number)
        if control:
            pickle.loads(connection.recv_bytes())(connection, *control)  # nosec B301
        else:
            work(connection)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def message(plugins: list[str], path: list[str]) -> bytes:
    """What the template is told first; of a fixed length, so that it can be read whole."""
    return json.dumps({"plugins": plugins, "path": path}).encode().ljust(_LINE)


if __name__ == "__main__":
    main(int(sys.argv[1]))
