"""What the cells' own files say a run folder should hold, and where its tables and its plan say otherwise."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from ..record.packed import EVIDENCE
from ..record.results import read_results, results_text
from ..report.freshness import MADE_FROM, is_current
from ..report.load import RunFolder
from .collect import FAILURES, Collected, collect, failures_text, read_failures
from .compare import Discord, discords, same_text

_NAMED = 5  # cells that are named where many are meant


def kept_of(run: RunFolder) -> Collected:
    """The cells of a run's plan; all that are there where no plan was kept."""
    plan = _plan(run)
    keys = list(plan) if plan is not None else sorted(path.name for path in run.kept.glob("*/"))
    steps = run.run.get("curves")
    pairs = [step for step in steps if isinstance(step, list) and len(step) == 2] if isinstance(steps, list) else []
    return collect(run.kept, keys, [(str(smaller), str(larger)) for smaller, larger in pairs], run.roles)


def all_discords(run: RunFolder, found: Collected) -> list[Discord]:
    """Where results.csv, failures.csv and run.json do not say what the cells' files say."""
    kept = read_results(io.StringIO(results_text(found.rows)))
    return [*_plan_discords(run, found), *discords(run.results, kept), *_failure_discords(run, found)]


def notes_on(run: RunFolder, found: Collected) -> list[str]:
    """What a reader should know though no number is wrong."""
    notes = []
    plan = _plan(run)
    if run.unpacked:
        notes.append(f"There is no cells/: the {len(found.cells)} cells were read from {EVIDENCE}.")
    if plan is not None and len(found.cells) < len(plan):
        notes.append(f"{len(plan) - len(found.cells)} of {len(plan)} planned cells have not ended or cannot be read.")
    if (run.path / MADE_FROM).is_file() and not is_current(run.path):
        notes.append(f"Boards, figures and page were made from other tables; `faceleak report {run.path}` renews them.")
    return notes


def _plan(run: RunFolder) -> Mapping[str, Any] | None:
    plan = run.run.get("plan")
    return plan if isinstance(plan, Mapping) else None


def _plan_discords(run: RunFolder, found: Collected) -> Iterator[Discord]:
    """Cells that have ended by run.json and are not there, or are called otherwise."""
    plan = _plan(run)
    if plan is None:
        return
    for key, cell in found.cells.items():
        if dict(cell.state["cell"]) != plan[key]:
            yield Discord(key, None, "", f"run.json calls it {plan[key]}, the cell itself {cell.state['cell']}")
    there, ended = len(found.cells) + len(found.unreadable), run.run.get("ended")
    if isinstance(ended, int) and ended != there and run.run.get("state") != "running":
        gone = [key for key in plan if key not in found.cells and key not in found.unreadable]
        which = f"; not there: {', '.join(gone[:_NAMED])}{', ...' if len(gone) > _NAMED else ''}" if gone else ""
        yield Discord(
            "run.json",
            None,
            "",
            f"says that {ended} cells have ended, {EVIDENCE if run.unpacked else 'cells/'} holds {there}{which}",
        )


def _failure_discords(run: RunFolder, found: Collected) -> Iterator[Discord]:
    file = run.path / "failures.csv"
    written = {} if not file.is_file() else _by_cell(file.read_text(encoding="utf-8-sig", errors="replace"))
    kept = _by_cell(failures_text(found.failures))
    for cell in sorted({*written, *kept}):
        mine, theirs = written.get(cell, []), kept.get(cell, [])
        same = len(mine) == len(theirs) and all(
            same_text(one[name], other[name]) for one, other in zip(mine, theirs, strict=True) for name in FAILURES
        )
        if not same:
            told = f"failures.csv has {len(mine)} lines of it, the cell's state gives {len(theirs)}"
            yield Discord(
                cell, None, "", told if len(mine) != len(theirs) else "failures.csv says something else of it"
            )


def _by_cell(text: str) -> dict[str, list[dict[str, str]]]:
    """Lines of a failures.csv by cell; what is no such table gives none."""
    try:
        table = read_failures(io.StringIO(text))
    except ValueError:
        return {}
    lines: dict[str, list[dict[str, str]]] = {}
    for line in table.to_dict("records"):
        lines.setdefault(str(line["cell"]), []).append({str(name): str(value) for name, value in line.items()})
    return lines
