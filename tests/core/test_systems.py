"""What Windows and macOS would stumble over, as far as it can be seen from here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

import pytest
from faceleak.bench.cli import main as cli
from faceleak.bench.core.errors import TrackError
from faceleak.bench.plan.track import load_track
from faceleak.bench.report.style import stem
from systems import TOY_TRACK

ROOT = Path(cli.__file__).parents[2]
POSIX = frozenset({"resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog", "readline", "crypt"})
POSIX_NAMES = frozenset({
    "fork", "getuid", "geteuid", "setsid", "killpg", "mkfifo", "sched_getaffinity", "O_NOFOLLOW", "O_DIRECTORY",
    "AF_UNIX", "SIGKILL", "SIGALRM", "SIGCHLD", "SIGHUP", "SIGUSR1", "MSG_WAITALL", "send_fds", "recv_fds",
})  # fmt: skip


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: everything but the bodies of functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from (part for one in getattr(node, "decorator_list", ()) for part in ast.walk(one))
        else:
            yield node
            yield from at_import(node)


def test_no_module_needs_posix_at_import() -> None:
    found = []
    for part in ("bench", "attacks", "defenses", "datasets"):
        for file in sorted((ROOT / part).rglob("*.py")):
            for node in at_import(ast.parse(file.read_text(encoding="utf-8"))):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                if POSIX & set(names) or (isinstance(node, ast.Attribute) and node.attr in POSIX_NAMES):
                    found.append(f"{file.relative_to(ROOT)}:{node.lineno}")  # type: ignore[attr-defined]
    assert found == []


@pytest.mark.parametrize("text", ["a/b", "C:\\x", "r50:v1", "con", "ä?*", "..", "x" * 500, "a\nb", "<b>|"])
def test_files_of_a_report_have_names_that_windows_takes(text: str) -> None:
    path = PureWindowsPath(stem("ladder", text))
    assert len(path.parts) == 1
    assert not path.anchor
    assert not set(str(path)) & set('<>:"/\\|?*\n')
    assert len(str(path)) < 100


@pytest.mark.parametrize("name", ["../up", "a/b", "C:x", "\\\\host\\x", "..", ".", "a\\b", "x.", " ", "a\x1bb"])
def test_a_track_does_not_choose_its_folder(name: str, tmp_path: Path) -> None:
    told = name.replace("\\", "\\\\").replace("\x1b", "\\u001b")
    (tmp_path / "t.toml").write_text(f'name = "{told}"\n{TOY_TRACK}', encoding="utf-8")
    with pytest.raises(TrackError, match="becomes a folder"):
        load_track(str(tmp_path / "t.toml"))
