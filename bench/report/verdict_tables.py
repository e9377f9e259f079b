"""The facts of ``verdicts.py`` as Markdown: a table for each data set, recogniser and surface of a board."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import FaceleakError
from ..core.registry import ATTACKS, DEFENSES, Registry
from ..core.surfaces import Fidelity
from .bibliography import methods_of
from .board_publication import publication_board
from .load import load_run
from .rows import UNDEFENDED, own_space
from .style import groups_of, surface_text
from .verdicts import Gap, Notes, Reached, Rival, System, verdict

OLDER = "older than paired scores"
_NOISE = {"yes": "harder than with noise", "tie": "not proven harder than with noise", "no": "easier than with noise"}


def verdict_text(folder: Path) -> str:
    """The verdicts of a committed run, as Markdown that ends with a newline.

    Args:
        folder: a run folder or a copy of one; its cells are not read.

    Raises:
        RunFolderError: it is neither.
    """
    notes = Notes(load_run(folder, cells=False))
    parts = [_about(notes)]
    shown: set[str] = set()
    published = publication_board(notes.rows, notes.view)
    for (_, _, surface), group in groups_of(notes.board):
        if surface == "" or (surface == "image" and len(published)) or group["n_attacks"].sum() == 0:
            continue
        heading = f"**{surface_text(surface).capitalize()}** of {group['recognizer'].iloc[0]}"
        if set(group["defense"]) == {UNDEFENDED}:
            table = _attack_table(notes, group)
        else:
            table = _system_table(notes, group)
        parts.append(f"{heading}\n\n{table}")
        shown |= set(group["defense"])
    if len(published):
        parts.append(f"**Published pictures**\n\n{_published_table(notes, published)}")
        shown |= set(published["defense"])
    if claims := list(_claims(notes, shown)):
        parts.append("What the papers say:\n\n" + "\n".join(claims))
    return "\n\n".join(parts) + "\n"


def _about(notes: Notes) -> str:
    run = notes.run
    scored = run.results[(run.results["metric"] == "sar_type2") & (run.results["split"] == "victims")]
    victims = int(scored["n"].max()) if scored["n"].notna().any() else 0
    seeds = run.results["seed"].nunique()
    text = (
        f"By code from the rows of commit {str(run.env.get('code_sha') or 'unknown')[:7]}: SAR Type-II at FMR "
        f"{run.headline_fmr:g}, at most {victims} victims, {seeds} seed{'s' * (seeds != 1)}, 95 % intervals"
    )
    text += " over people and seeds." if seeds > 1 else "."
    told = [text]
    if not notes.compared:
        told.append(f"Not compared: {OLDER}, which comparisons by victim need.")
    if not notes.records_training and set(notes.board["defense"]) != {UNDEFENDED}:
        told.append("How long the defences' networks learnt is not known: older than that record (F17).")
    if "curves" not in run.run:
        told.append("Whether attacks are saturated was not recorded (F15).")
    elif not run.run["curves"]:
        told.append("No attack was run at two budgets, so nothing tells whether one is saturated (F15).")
    return " ".join(told)


def _system_table(notes: Notes, group: pd.DataFrame) -> str:
    heads = ("system", "accuracy", "strongest attack, by knowledge", "by a name alone",
             "best attack and simple guesses", "undefended minus this", "epochs", "verdict", "flags")  # fmt: skip
    rows = [_system_cells(system, notes) for system in notes.systems(group)]
    return _table(heads, rows)


def _system_cells(system: System, notes: Notes) -> tuple[str, ...]:
    row = system.row
    plain = row["defense"] == UNDEFENDED
    best = f"{_who(system.best)}: " if system.best and system.rivals else ""
    return (
        str(row["defense"]),
        _accuracy(row),
        "; ".join(f"{_who(one)} {_stat(one)}" for one in system.attacks),
        "; ".join(f"{_who(one)} {_stat(one)}" for one in system.named),
        best + "; ".join(_rival(one, notes) for one in system.rivals),
        "" if plain else _gap(system.less, notes),
        "" if math.isnan(system.epochs) else _epochs(system),
        verdict(system, notes),
        str(row["flags"]).replace(",", ", "),
    )


def _attack_table(notes: Notes, group: pd.DataFrame) -> str:
    heads = ("attack", "judge", "SAR Type-II", "under the attacked one", "beside the best simple guess", "flags",
             "the paper reports")  # fmt: skip
    rows, methods = [], methods_of(notes.run.run)
    for one, rival in notes.attacks(group):
        target = notes.view.get(one.who, "sar_type2", one.who.recognizer)
        same = one.judge == one.who.recognizer
        kind, name = methods.get(one.who.attack, ("", ""))
        plugin = _plugin(ATTACKS, name) if kind == "attacks" else None
        rows.append((
            f"*{one.who.attack}*" if notes.view.role(one.who) == "floor" else one.who.attack,
            one.judge, _stat(one),
            "" if target is None or same else _interval(target.value, target.lo, target.hi),
            "" if rival is None or not notes.compared or own_space(one.judge) else _rival(rival, notes),
            notes.view.cells[one.who].flags.replace(",", ", "),
            _reported(plugin) if plugin and plugin.paper_value else "",
        ))  # fmt: skip
    return _table(heads, rows) + "\n\nIn italics: simple guesses, which need no training."


def _published_table(notes: Notes, board: pd.DataFrame) -> str:
    heads = ("system", "PSNR, dB", "not found", "before noise of that PSNR", "found after the best washing",
             "by a name alone", "with the key, wrong key, key alone, dB", "flags")  # fmt: skip
    rows = []
    for row in board.to_dict("records"):
        keys = [row["recovery_psnr_8bit"], row["recovery_psnr_wrong_key"], row["recovery_psnr_blank"]]
        noise = "" if not row["beats_noise"] else f"{_share(row['noise_dodging'])}: {_NOISE[row['beats_noise']]}"
        system = (str(row["dataset"]), str(row["recognizer"]), str(row["defense"]))
        flags = set(notes.view.utility_flags.get(system, "").split(",")) - {""}
        if "F17" in flags:
            noise = "no verdict: not trained out (F17)"
        rows.append((
            str(row["defense"]), _number(row["psnr"], 1), _of(row, "psr_dodging"), noise,
            f"{row['washed_by']} {_of(row, 'washed_sar2')}".strip(), _of(row, "identity_sar2"),
            "" if math.isnan(keys[0]) else ", ".join(_number(one, 1) or "-" for one in keys),
            ", ".join(sorted(flags, key=lambda name: (len(name), name))),
        ))  # fmt: skip
    judges = ", ".join(sorted(set(board["judge"])))
    return _table(heads, rows) + f"\n\nJudged by {judges}, which no protector had."


def _claims(notes: Notes, titles: set[str]) -> Iterator[str]:
    """What the defences of a board claim and their papers report; of the suite's own baselines nothing."""
    named = {
        name for title, (kind, name) in methods_of(notes.run.run).items() if kind == "defenses" and title in titles
    }
    for name in sorted(named):
        plugin = _plugin(DEFENSES, name)
        if plugin is None or not (plugin.paper_value or plugin.claims):
            continue
        value = f"reported: {_reported(plugin)}" if plugin.paper_value else "no number is known"
        claims = f"“{plugin.claims.strip()}” " if plugin.claims else ""
        yield f"* `{name}` ({plugin.fidelity.value} here; {plugin.paper}): {claims}{value}."


def _plugin(registry: Registry[Any], name: str) -> Any:
    """The class; None of a baseline, and of a package that is not here."""
    try:
        found = registry.get(name)
    except FaceleakError:
        return None
    return None if found.fidelity is Fidelity.BASELINE else found


def _reported(plugin: Any) -> str:
    return f"{plugin.paper_value} ({plugin.paper_source})"


def _accuracy(row: Mapping[Any, Any]) -> str:
    """``96.5 %, -0.2 points [-0.5, 0.1]``; the loss has an interval where it was paired."""
    if math.isnan(row["accuracy"]):
        return ""
    text = f"{100 * row['accuracy']:.1f} %"
    if row["defense"] == UNDEFENDED or math.isnan(row["accuracy_diff"]):
        return text
    text += f", {_signed(100 * row['accuracy_diff'], 1)} points"
    if math.isnan(row["accuracy_diff_lo"]):
        return text
    return f"{text} [{_signed(100 * row['accuracy_diff_lo'], 1)}, {_signed(100 * row['accuracy_diff_hi'], 1)}]"


def _epochs(system: System) -> str:
    return f"{system.epochs:.3g}" + (f", still falling {100 * system.falling:.0f} %" if system.falling > 0.05 else "")


def _rival(one: Rival, notes: Notes) -> str:
    text = f"{_who(one.floor)} {_share(one.floor.sar2.value)}"
    if one.gap is None:
        return f"{text}, not compared" if notes.compared else text  # else the heading says it of all
    word = "a tie" if not one.gap.proven else "above" if one.gap.value > 0 else "**below**"
    return f"{text}, {word} {_gap_text(one.gap)}"


def _gap(gap: Gap | None, notes: Notes) -> str:
    if gap is None:
        return "not compared" if notes.compared else ""
    return _gap_text(gap) if gap.proven else f"{_gap_text(gap)}: a tie"


def _gap_text(gap: Gap) -> str:
    p = "p < .001" if gap.p < 0.001 else f"p {_share(gap.p)}"
    return f"({_signed(gap.value, 3)} [{_signed(gap.lo, 3)}, {_signed(gap.hi, 3)}], {p})"


def _who(one: Reached) -> str:
    plain = one.who.defense == UNDEFENDED
    space = f", {one.judge}" if own_space(one.judge) else ""
    return one.who.attack + (space if plain else f" ({one.who.knowledge}{space})")


def _stat(one: Reached) -> str:
    text = _interval(one.sar2.value, one.sar2.lo, one.sar2.hi)
    return text if math.isnan(one.sar2.std) else f"{text}, seeds' SD {_share(one.sar2.std)}"


def _of(row: Mapping[Any, Any], name: str) -> str:
    return "" if math.isnan(row[name]) else _interval(row[name], row[f"{name}_lo"], row[f"{name}_hi"])


def _interval(value: float, lo: float, hi: float) -> str:
    return _share(value) if math.isnan(lo) or math.isnan(hi) else f"{_share(value)} [{_share(lo)}, {_share(hi)}]"


def _share(value: float) -> str:
    """``.423``, without the 0 as the notes write shares."""
    return "-" if math.isnan(value) else f"{value:.3f}".removeprefix("0") if value >= 0 else _signed(value, 3)


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    sign, number = text[0], text[1:]
    if digits == 3:
        number = number.removeprefix("0")
    return number if float(text) == 0 else sign + number


def _number(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns that say nothing in any row are left out."""
    used = [i for i in range(len(heads)) if i == 0 or any(row[i] for row in rows)]
    lines = [[heads[i] for i in used], ["---"] * len(used)]
    lines += [[row[i].replace("|", "\\|") for i in used] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
