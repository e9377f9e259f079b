"""The defense board as LaTeX tables for papers: booktabs, intervals, and emphasis only where the data carry it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from .board_attacks import SPREAD
from .board_defenses import UNFINISHED, reach
from .load import RunFolder
from .rows import UNDEFENDED
from .significance import Verdicts, leak_less
from .style import fmr_text, stem, surface_text

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
}  # fmt: skip


def write_tables(board: pd.DataFrame, run: RunFolder, folder: Path, verdicts: Verdicts | None = None) -> list[Path]:
    """One file per data set, recogniser and surface, to be read with ``\\input``; needs the package booktabs.

    Args:
        board: ``defenses`` of ``build_boards``.
        run: where captions get commit, seeds and victims from.
        folder: where the files go.
        verdicts: who is proven to leak more than whom; bold follows from it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    if board.empty:
        return made
    attacked = board[board["surface"] != ""]
    for (dataset, recognizer, surface), rows in attacked.groupby(["dataset", "recognizer", "surface"], sort=False):
        file = folder / f"{stem('defenses', str(dataset), str(recognizer), str(surface))}.tex"
        text = _table(rows, run, verdicts or Verdicts())
        file.write_text(text, encoding="utf-8", newline="\n")
        made.append(file)
    return made


def environment() -> jinja2.Environment:
    """The LaTeX templates; nothing is escaped that they print."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    return jinja2.Environment(loader=loader, autoescape=False, keep_trailing_newline=True)  # nosec B701


def escape(text: str) -> str:
    """``text`` as LaTeX prints it literally, in text and at the beginning of a table's row."""
    plain = "".join(_SPECIAL.get(letter) or _letter(letter) for letter in " ".join(text.split()))
    plain = plain.replace(r" \%", r"~\%")  # a number and its percent sign stand on one line
    return f"{{{plain[0]}}}{plain[1:]}" if plain[:1] in ("[", "*") else plain  # would belong to the \\ before it


def _letter(letter: str) -> str:
    """Greek letters are mathematics to LaTeX's own fonts; others are the document's affair."""
    name = unicodedata.name(letter, "").split()
    if name[:3] == ["GREEK", "SMALL", "LETTER"] and len(name) == 4 and letter not in "ος":
        return rf"\ensuremath{{\{'lambda' if name[3] == 'LAMDA' else name[3].lower()}}}"
    return letter if letter.isprintable() else " "


def percent(value: float, lo: float = math.nan, hi: float = math.nan) -> str:
    """``31.2`` or ``31.2 {\\scriptsize [28.0, 34.5]}``, percent; ``--`` where there is no number."""
    if math.isnan(value):
        return "--"
    text = f"{100 * value:.1f}"
    return text if math.isnan(lo) or math.isnan(hi) else f"{text} {{\\scriptsize [{100 * lo:.1f}, {100 * hi:.1f}]}}"


def best_of(rows: pd.DataFrame, verdicts: Verdicts | None = None) -> set[str]:
    """The defenses to be set in bold: of those that keep recognition, everyone than whom none is proven to leak less.
    Nobody where it is not proven that the unprotected system leaks more than the best of them.

    Args:
        rows: of one data set, recogniser and surface of the defense board.
        verdicts: the comparisons; without them intervals decide.
    """
    verdicts = verdicts or Verdicts()
    every = rows.join(reach(rows))
    kept = every[(every["matched"] == "yes") & every["reach"].notna()]
    defended = kept[kept["defense"] != UNDEFENDED]
    if defended.empty:
        return set()
    least = defended.sort_values("reach", kind="stable").head(1)
    plain = kept[kept["defense"] == UNDEFENDED]
    if any(not leak_less(row, least, verdicts) for row in plain.to_dict("records")):
        return set()
    return {str(row["defense"]) for row in defended.to_dict("records") if not leak_less(row, defended, verdicts)}


def _spread(row: Mapping[Hashable, Any], name: str) -> str:
    return percent(*(float(row[f"{name}{end}"]) for end in ("", "_lo", "_hi")))


def _table(rows: pd.DataFrame, run: RunFolder, verdicts: Verdicts) -> str:
    best, spread = best_of(rows, verdicts), SPREAD in rows and bool(rows[SPREAD].notna().any())
    dataset, recognizer, surface = (str(rows[name].iloc[0]) for name in ("dataset", "recognizer", "surface"))
    lines = []
    for row in rows.to_dict("records"):
        defense = str(row["defense"])
        name = f"\\textbf{{{escape(defense)}}}" if defense in best else escape(defense)
        cells = [
            name + (r"\,*" if row["matched"] == UNFINISHED else ""),
            *(_spread(row, name) for name in ("accuracy", "sar2", "identity_sar2", "rank1")),
            "--" if math.isnan(row["ssim"]) else f"{row['ssim']:.3f}",
        ]
        if spread:
            cells.insert(3, percent(row[SPREAD]))
        cells.insert(2, escape(str(row["worst_attack"])) or "--")
        lines.append(" & ".join(cells) + r" \\")
        if defense == UNDEFENDED:
            lines.append(r"\midrule")
    here = run.results[(run.results["dataset"] == dataset) & (run.results["recognizer"] == recognizer)]
    victims = here[(here["metric"] == "sar_type2") & (here["surface"] == surface) & (here["split"] == "victims")]
    judges = sorted({str(judge) for judge in rows["judge"]} - {"", "nan"})
    facts = {
        "fmr": escape(fmr_text(run.headline_fmr)),
        "n": int(victims["n"].max()) if victims["n"].notna().any() else 0,
        "seeds": int(victims["seed"].nunique()),
        "judges": escape(", ".join(judges)),
        "kin": escape(", ".join(sorted(run.taught_alike(recognizer) & set(judges)))),
        "commit": escape(str(run.env.get("code_sha", ""))[:12] or "unknown"),
        "surface": escape(surface_text(surface)),
        "dataset": escape(dataset),
        "recognizer": escape(recognizer),
        "best": bool(best),
        "compared": bool(verdicts),
        "spread": spread,
        "unfinished": bool((rows["matched"] == UNFINISHED).any()),
    }
    template = environment().get_template("defenses.tex")
    return template.render(lines=lines, label="tab:" + stem("defenses", dataset, recognizer, surface), **facts)
