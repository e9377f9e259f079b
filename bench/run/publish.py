"""``faceleak publish``: the copy of a run that others are given: its report, its rows, and the evidence in one file."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..record.cell_files import has_ended
from ..record.packed import EVIDENCE, pack
from ..report import make_report
from ..report.load import RunFolder, load_run, table_of
from .verify import Verdict, verify_run

_COPIED = ("run.json", "env.json", "manifest.json", "secrets.json", "failures.csv")
_MADE = ("boards", "figures", "tables", "cells.html", "index.html", "report.json", EVIDENCE)
_TABLES = ("results.csv", "results.csv.gz")
_LARGE = 2 << 20  # bytes of a results.csv that is packed
_RENDERED = "as they were rendered"  # what a manifest says of how people were told apart who are nobody


@dataclass(frozen=True)
class Publication:
    """What was written.

    Args:
        folder: the copy.
        pictures: whether recovered faces are in it.
        packed: bytes of the evidence.
        kept: bytes of what went into it.
        verdict: of the copy, from its own evidence.
    """

    folder: Path
    pictures: bool
    packed: int
    kept: int
    verdict: Verdict

    def __str__(self) -> str:
        faces = "with the rendered faces of the figures" if self.pictures else "without pictures of faces"
        size = f"{EVIDENCE} {self.packed / 1e6:.1f} MB ({self.kept / 1e6:.1f} MB of the cells)"
        told = f"{self.verdict.rows} rows of {self.verdict.cells} cells follow from it"
        return f"{self.folder}: {faces}; {size}; {told}."


def publish(run_folder: Path, out: Path, *, pictures: bool = True) -> Publication:
    """Write a copy without ``cells/`` that ``report``, ``compare`` and ``verify`` can read.

    Args:
        run_folder: with ``cells/``.
        out: a new folder, or an earlier copy, which it replaces.
        pictures: keep recovered faces, where all of them are rendered; of people none are kept in any case.

    Raises:
        RunFolderError: ``run_folder`` is not a run folder.
        InputError: it has no cells, ``out`` holds something else, or the copy does not verify.
    """
    run = load_run(run_folder)
    if run.unpacked or not run.kept.is_dir():
        raise InputError(f"{run_folder} has no cells/: publish the folder in which the track was run.")
    _refuse_foreign(out)
    shown = pictures and rendered(run.manifest)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".publish-", dir=out.parent))
    try:
        for name in _COPIED:
            if (run.path / name).is_file():
                shutil.copyfile(run.path / name, work / name)
        _copy_table(table_of(run.path), work)
        kept = pack(run.kept, _ended(run), work / EVIDENCE, pictures=shown)
        verdict = verify_run(work)
        if not verdict.clean:
            raise InputError(f"{run_folder} does not verify, so it was not published; `faceleak verify` says why.")
        make_report(work)
        _swap(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Publication(out, shown, (out / EVIDENCE).stat().st_size, kept, verdict)


def rendered(manifest: Mapping[str, Any]) -> bool:
    """Whether nobody's face is in any of the data sets."""
    sets = manifest.get("datasets")
    if not isinstance(sets, Mapping) or not sets:
        return False
    told = [one.get("inventory") if isinstance(one, Mapping) else None for one in sets.values()]
    return all(isinstance(one, Mapping) and one.get("people") == _RENDERED for one in told)


def _ended(run: RunFolder) -> list[str]:
    """The cells of the plan that have ended; all that have where no plan was kept."""
    plan = run.run.get("plan")
    names = sorted(plan) if isinstance(plan, Mapping) else sorted(path.name for path in run.kept.glob("*/"))
    return [name for name in names if has_ended(run.kept / name)]


def _refuse_foreign(out: Path) -> None:
    """A folder that holds more than a copy is somebody's: a run with its cells, notes, another project."""
    own = {*_COPIED, *_MADE, *_TABLES}
    if out.exists() and (not out.is_dir() or (foreign := sorted({path.name for path in out.iterdir()} - own))):
        what = f"holds {', '.join(foreign[:3])}" if out.is_dir() else "is a file"
        raise InputError(f"{out} {what}; choose a new folder, or an earlier copy that is to be replaced, with --out.")


def _copy_table(table: Path, work: Path) -> None:
    data = table.read_bytes()
    if table.suffix == ".csv" and len(data) > _LARGE:
        (work / "results.csv.gz").write_bytes(gzip.compress(data, 9, mtime=0))
    else:
        (work / table.name).write_bytes(data)


def _swap(work: Path, out: Path) -> None:
    """The new copy in place of the old one."""
    old = out.with_name(f"{work.name}-old")
    if out.exists():
        out.rename(old)
    work.rename(out)
    out.chmod(0o755)
    shutil.rmtree(old, ignore_errors=True)
