"""``faceleak report RUN --tables ...``: what a paper needs of a run. Tables, figures, references, how it was measured.

Everything stands in ``paper/`` of the run folder: a file for each table to be read with ``input``, figures as PDF with
their fonts inside, ``methods.bib``, ``measured.tex``, and ``paper.tex``, which puts all of it on pages of one style.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import InputError
from ..core.registry import nearest
from .bibliography import SUITE, Entry, entries_of, methods_of
from .board_attacks import SPREAD
from .boards import boards_of
from .comparisons import compared_of
from .latex import escape, percent, write_tables
from .load import RunFolder, load_run
from .measured import measured
from .rows import UNDEFENDED
from .style import groups_of, stem, surface_text

TABLES, STYLES = ("main", "attacks", "transfer", "publication"), ("ieee", "acm", "springer")
_TWO_COLUMNS = ("ieee", "acm")
_POINTS = {"ieee": 252.0, "acm": 241.0, "springer": 347.0}  # width of a column
# Kind of figure -> its caption.
_FIGURES = {
    "ladder": "Attacks on the unprotected {surface}: SAR Type-II by a judge that no attack saw (filled, with its 95 % "
    "interval) and by the attacked recogniser itself (ring).",
    "scatter": "What each defence of the {surface} protects and what it costs: right, people are still recognised; up, "
    "less comes back to the strongest attack, by a picture or by a name. Bars are 95 % intervals; the stepped line "
    "joins the best numbers on both axes, which may be ties.",
    "matrix": "Every attack on every defence of the {surface}, SAR Type-II in percent. K0 to K3 say what the adversary "
    "knows. An attack marked † draws no picture and is scored in the space of its embeddings.",
    "publication": "Published pictures: how many are not found by a judge that no protector had, against their "
    "likeness to the original. Bars are 95 % intervals; the dashed line is Gaussian noise.",
    "roc": "How well the systems themselves tell people apart, with each defence in place.",
}

_BETWEEN = "SD of seeds"  # a column of runs with several
Cell = Callable[[Mapping[Any, Any]], str]


@dataclass(frozen=True)
class Column:
    """One column: its heading, LaTeX already, and a row's text."""

    head: str
    text: Cell


def _share(name: str) -> Cell:
    return lambda row: percent(*(float(row.get(f"{name}{end}", math.nan)) for end in ("", "_lo", "_hi")))


def _number(name: str, digits: int) -> Cell:
    return lambda row: "--" if _empty(row.get(name)) else f"{float(row[name]):.{digits}f}"


def _word(name: str) -> Cell:
    return lambda row: escape(str(row[name])) if not _empty(row.get(name)) else "--"


def _own(row: Mapping[Any, Any]) -> str:
    """The mark of an attack that draws no picture for a judge to look at."""
    return r"\,\textdagger" if row.get("role") == "attack" and _empty(row.get("ssim")) else ""


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


_COLUMNS: dict[str, tuple[Column, ...]] = {
    "attacks": (
        Column("Attack", lambda row: _word("attack")(row) + _own(row)), Column("SAR-II", _share("sar2")),
        Column(_BETWEEN, lambda row: percent(float(row[SPREAD]))), Column("SAR-I", _share("sar1")),
        Column("attacked judge", _share("target_sar2")),
        Column("Rank 1", lambda row: percent(float(row["rank1"]))), Column("SSIM", _number("ssim", 3)),
    ),
    "transfer": (
        Column("Attacked", _word("recognizer")), Column("Judge", _word("judge")), Column("Surface", _word("surface")),
        Column("Mean SAR-II", lambda row: percent(float(row["mean_undefended_sar2"]))),
        Column("Strongest attack", _word("strongest_attack")),
        Column("its SAR-II", lambda row: percent(float(row["strongest_sar2"]))),
    ),
    "publication": (
        Column("Defense", _word("defense")), Column("Dodging", _share("psr_dodging")),
        Column("Rank 1", _share("rank1_published")), Column("after cleaning", _share("washed_sar2")),
        Column("Identity", _share("identity_sar2")), Column("SSIM", _number("ssim", 3)),
        Column("with key, dB", _number("recovery_psnr_right", 1)),
    ),
}  # fmt: skip
_CAPTIONS = {
    "attacks": "Attacks on the undefended system: SAR in percent, the share of photographs that pass as the person "
    "recovered. An attack marked † draws no picture and is scored in the space of its embeddings.",
    "transfer": "Recoveries of one recogniser judged by another, undefended, in percent.",
    "publication": "Published pictures, in percent: how often a judge no longer finds the person, and after cleaning "
    "does.",
}


def write_paper(folder: Path, tables: Sequence[str], style: str) -> Path:
    """Write ``paper/`` of a run folder and return it; the figures are those of its report.

    Args:
        folder: a run folder.
        tables: of ``TABLES``.
        style: of ``STYLES``.

    Raises:
        RunFolderError: not a run folder.
        InputError: an unknown table or style, or nothing to put on the tables.
    """
    for name in tables:
        if name not in TABLES:
            raise InputError(f"No table is called {name!r}; {nearest(name, list(TABLES))}")
    if style not in STYLES:
        raise InputError(f"No style is called {style!r}; {nearest(style, list(STYLES))}")
    run = load_run(folder)
    boards = boards_of(run, compared_of(run, []))
    out = folder / "paper"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    made = list(_tables(boards, run, tables, style, out))
    if not made:
        raise InputError(f"{folder} has no rows for {', '.join(tables)}; its boards: {', '.join(_filled(boards))}.")
    methods = methods_of(run.run)
    entries = entries_of(methods.values())
    bib = "\n\n".join(map(str, [SUITE, *{entry.key: entry for entry in entries.values()}.values()]))
    (out / "methods.bib").write_text(bib + "\n", encoding="utf-8")
    (out / "measured.tex").write_text(measured(run) + _cited(methods, entries), encoding="utf-8")
    figures = list(_figures(folder / "figures", out / "figures", style, _places(boards), run.headline_fmr))
    parts = [
        r"\section{How this was measured}",
        r"\input{measured}",
        *(rf"\input{{{name}}}" for name in made),
        *figures,
    ]
    template = (Path(__file__).parent / "templates" / "paper" / f"{style}.tex").read_text(encoding="utf-8")
    title = escape(str(run.run.get("title") or run.run.get("track") or "A run of faceleak"))
    (out / "paper.tex").write_text(
        template.replace("@TITLE@", title).replace("@BODY@", "\n".join(parts)), encoding="utf-8"
    )
    return out


def _filled(boards: Mapping[str, pd.DataFrame]) -> list[str]:
    return [name for name, board in boards.items() if len(board)]


def _tables(
    boards: Mapping[str, pd.DataFrame], run: RunFolder, wanted: Sequence[str], style: str, out: Path
) -> Iterator[str]:
    for name in wanted:
        if name == "main":
            for file in write_tables(boards["defenses"], run, out):
                if style in _TWO_COLUMNS:
                    text = file.read_text(encoding="utf-8")
                    file.write_text(text.replace("{table}", "{table*}"), encoding="utf-8")
                yield file.stem
            continue
        board = boards[name]
        keys = ["dataset", "recognizer", "surface"] if name == "attacks" else ["dataset"]
        if name == "attacks":  # on the undefended system there is nothing to know: one row for all levels
            board = board[board["sar2"].notna() | board["rank1"].notna()].drop_duplicates([*keys, "attack"])
        for key, rows in board.groupby(keys, sort=False):
            label = stem(name, *map(str, key))
            about = f"Data {key[0]}"
            if name == "attacks":
                about += f", recogniser {key[1]}, {surface_text(str(key[2]))}, FMR {100 * run.headline_fmr:g} %"
            caption = f"{_CAPTIONS[name]} {about}.{_kin(rows, run)}"
            columns = [one for one in _COLUMNS[name] if one.head != _BETWEEN or SPREAD in rows]
            text = _table(rows, columns, caption, label, style in _TWO_COLUMNS)
            (out / f"{label}.tex").write_text(text, encoding="utf-8")
            yield label


def _kin(rows: pd.DataFrame, run: RunFolder) -> str:
    """Which judges of a table learnt from the people whom the attacked recogniser learnt from."""
    pairs = sorted({(str(r), str(j)) for r, j in zip(rows["recognizer"], rows["judge"])})
    told = "; ".join(f"judge {judge} as {attacked}" for attacked, judge in pairs if judge in run.taught_alike(attacked))
    return f" Learnt from the same people: {told}." if told else ""


def _table(rows: pd.DataFrame, columns: Sequence[Column], caption: str, label: str, wide: bool) -> str:
    """A booktabs table; a rule where the role changes, and under the undefended system."""
    lines, before = [], None
    for row in rows.to_dict("records"):
        role = row.get("role")
        if before is not None and role != before[0]:
            lines.append(r"\midrule")
        lines.append(" & ".join(column.text(row) for column in columns) + r" \\")
        if row.get("defense") == UNDEFENDED and len(rows) > 1:
            lines.append(r"\midrule")
        before = (role,)
    kind = "table*" if wide else "table"
    return "\n".join((
        r"% Made by faceleak; needs \usepackage{booktabs,graphicx}.", rf"\begin{{{kind}}}", r"\centering",
        rf"\caption{{{escape(caption)}}}", rf"\label{{tab:{label}}}",
        r"\resizebox{\ifdim\width>\linewidth \linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{'l' * len(columns)}}}",
        r"\toprule", " & ".join(column.head for column in columns) + r" \\", r"\midrule", *lines, r"\bottomrule",
        r"\end{tabular}}", rf"\end{{{kind}}}", "",
    ))  # fmt: skip


def _places(boards: Mapping[str, pd.DataFrame]) -> dict[str, tuple[str, ...]]:
    """End of a figure's name -> data set, recogniser and, where it has one, surface."""
    keys = {key for board in ("defenses", "attacks") for key, _ in groups_of(boards[board])}
    return {stem("", *part): part for key in sorted(keys) for part in (key[:2], key)}


def _figures(
    source: Path, target: Path, style: str, places: Mapping[str, tuple[str, ...]], fmr: float
) -> Iterator[str]:
    """The report's PDFs of some kinds, each as wide as one column or as two."""
    from .pdf import page_width

    files = sorted(source.glob("*.pdf")) if source.is_dir() else []
    for kind, words in _FIGURES.items():
        for file in files:
            place = places.get(file.stem.removeprefix(kind))
            if not file.stem.startswith(f"{kind}_") or place is None:
                continue
            target.mkdir(exist_ok=True)
            shutil.copy(file, target)
            wide = page_width(file) > 1.3 * _POINTS[style] and style in _TWO_COLUMNS
            frame, width = ("figure*", r"\textwidth") if wide else ("figure", r"\columnwidth")
            caption = words.format(surface=surface_text(place[2]) if len(place) > 2 else "system")
            about = f"Data {place[0]}, recogniser {place[1]}, FMR {100 * fmr:g} %."
            yield (
                rf"\begin{{{frame}}}\centering\includegraphics[width={width}]{{figures/{file.name}}}"
                rf"\caption{{{escape(f'{caption} {about}')}}}\label{{fig:{file.stem}}}\end{{{frame}}}"
            )


def _cited(methods: Mapping[str, tuple[str, str]], entries: Mapping[tuple[str, str], Entry]) -> str:
    cited = [
        rf"{escape(title)}~\cite{{{entries[method].key}}}"
        for title, method in sorted(methods.items())
        if method in entries
    ]
    told = f"Methods: {', '.join(cited)}. " if cited else ""
    return told + rf"All numbers were measured with faceleak~\cite{{{SUITE.key}}}." + "\n"
