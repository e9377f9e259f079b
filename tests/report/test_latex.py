"""LaTeX tables: what they say, what they set in bold, and that TeX's own characters survive."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from faceleak.bench.report import make_report
from faceleak.bench.report.boards import boards_of
from faceleak.bench.report.latex import best_of, escape, percent, write_tables
from faceleak.bench.report.load import load_run

from .fixture_run import Shape, build_run

SHAPE = Shape(n_defenses=3, n_attacks=2, seeds=(0, 1), surfaces=("template",), pictures=False, victims=2)


def board(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    """(defense, matched, SAR-II, half its interval)."""
    return pd.DataFrame(
        [{"defense": d, "matched": m, "sar2": v, "sar2_lo": v - e, "sar2_hi": v + e} for d, m, v, e in rows]
    ).assign(identity_sar2=float("nan"), identity_sar2_lo=float("nan"), identity_sar2_hi=float("nan"))


def test_bold_is_what_the_intervals_do_not_tell_from_the_best() -> None:
    rows = board(("none", "yes", 0.8, 0.05), ("a", "yes", 0.2, 0.05), ("b", "yes", 0.28, 0.05), ("c", "yes", 0.5, 0.05))
    assert best_of(rows) == {"a", "b"}
    named = rows.assign(identity_sar2=[0.9, 0.9, 0.1, 0.1], identity_sar2_lo=0.85, identity_sar2_hi=0.95)
    assert best_of(named) == {"b"}, "whom an attack names counts too"


def test_nobody_is_bold_without_a_difference_or_without_recognition() -> None:
    assert best_of(board(("none", "yes", 0.3, 0.1), ("a", "yes", 0.2, 0.1))) == set()
    assert best_of(board(("none", "yes", 0.8, 0.1), ("a", "no", 0.0, 0.0))) == set()
    assert best_of(board(("none", "yes", 0.8, 0.1))) == set()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("a_b & 50 %", r"a\_b \& 50~\%"), ("^~{$#}", r"\textasciicircum{}\textasciitilde{}\{\$\#\}")],
)
def test_characters_of_tex_are_escaped(text: str, wanted: str) -> None:
    assert escape(text) == wanted


def test_numbers() -> None:
    assert percent(float("nan")) == "--"
    assert percent(0.3125) == "31.2"
    assert percent(0.5, 0.4, 0.6) == r"50.0 {\scriptsize [40.0, 60.0]}"


@pytest.mark.usefixtures("without_figures")
def test_a_report_has_its_tables(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "run", SHAPE, failures=False)
    make_report(folder)
    files = sorted((folder / "tables").glob("*.tex"))
    assert files
    text = files[0].read_text()
    for part in (r"\toprule", r"\bottomrule", "SAR Type-II at FMR 1~\\%", "2 seeds", "none &", r"\label{tab:defenses"):
        assert part in text, part
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert all(line.count("&") == 7 for line in lines), "of two seeds: one more, for their spread"
    assert text.count("{") == text.count("}")
    assert r"\resizebox{\ifdim\width>\linewidth" in text, "wider than a narrow page, it shrinks"
    assert "not trained out" not in text
    run = load_run(folder)
    rows = boards_of(run)["defenses"]
    unfinished = rows.assign(matched=rows["matched"].where(rows["defense"] != "biohash", "not trained out"))
    marked = write_tables(unfinished, run, tmp_path / "marked")[0].read_text()
    assert r"biohash\,* &" in marked
    assert marked.count(r"\,* &") == 1
    assert "*: not trained out (F17)" in marked


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("[weak]", "{[}weak]"), ("*", "{*}"), ("eps [weak]", "eps [weak]"), ("a\nb\tc", "a b c"),
        ("σ=0.1", r"\ensuremath{\sigma}=0.1"),
        ("<b>|", r"\textless{}b\textgreater{}\textbar{}"), ("λ", r"\ensuremath{\lambda}"), ("50 % é", r"50~\% é"),
    ],
)  # fmt: skip
def test_labels_are_printed_as_they_are(text: str, printed: str) -> None:
    assert escape(text) == printed
