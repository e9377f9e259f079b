"""The paired comparisons of a run as LaTeX tables: who is proven to be above whom, and by how much."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .latex import environment, escape
from .load import RunFolder
from .rows import UNDEFENDED
from .significance import ATTACKS, family_of, order_of
from .style import fmr_text, stem, surface_text

_MOST = 12  # rows and columns that a page holds


def write_significance(table: pd.DataFrame, run: RunFolder, folder: Path) -> list[Path]:
    """One file per data set, recogniser, surface and kind: attacks on the undefended system, and defences.

    Args:
        table: ``significance`` of ``build_boards``.
        run: where captions get the false match rate and the commit from.
        folder: where the files go.
    """
    made = []
    shown = table[(table["kind"] != ATTACKS) | (table["system"] == UNDEFENDED)]
    for (dataset, recognizer, surface, kind), rows in shown.groupby(["dataset", "recognizer", "surface", "kind"]):
        for judge, part in rows.groupby("judge") if kind == ATTACKS else [("", rows)]:
            name = stem("significance", str(kind), str(dataset), str(recognizer), str(surface), str(judge))
            whole = family_of(table, (dataset, recognizer, surface, kind))
            facts = {
                "kind": kind, "dataset": escape(str(dataset)), "recognizer": escape(str(recognizer)),
                "surface": escape(surface_text(str(surface))), "judge": escape(str(judge)),
                "fmr": escape(fmr_text(run.headline_fmr)), "n": int(part["n"].max()), "m": whole,
                "seeds": int(part["n_seeds"].max()),
                "commit": escape(str(run.env.get("code_sha", ""))[:12] or "unknown"), "label": f"tab:{name}",
            }  # fmt: skip
            file = folder / f"{name}.tex"
            file.write_text(_text(part, facts), encoding="utf-8")
            made.append(file)
    return made


def _text(rows: pd.DataFrame, facts: dict[str, object]) -> str:
    order = order_of(rows)
    names, left_out = [name for name, _ in order][:_MOST], max(0, len(order) - _MOST)
    gaps = {}
    for row in rows.to_dict("records"):
        gaps[row["a"], row["b"]], gaps[row["b"], row["a"]] = (row["difference"], row), (0.0 - row["difference"], row)
    lines = []
    for i, (name, value) in enumerate(order[:_MOST]):
        cells = [f"{i + 1}", escape(name), f"{100 * value:.1f}"]
        for other in names[: len(names) - 1]:
            if (name, other) not in gaps or names.index(other) >= i:
                cells.append("")
                continue
            gap, row = gaps[name, other]
            text = f"${100 * (gap + 0.0):+.1f}$"
            cells.append(f"\\textbf{{{text}}}" if row["significant"] == "yes" else f"\\textcolor{{gray}}{{{text}}}")
        lines.append(" & ".join(cells) + r" \\")
    heads = " & ".join(str(i + 1) for i in range(len(names) - 1))
    template = environment().get_template("significance.tex")
    return template.render(lines=lines, heads=heads, columns="l" * (len(names) + 2), left_out=left_out, **facts)
