"""The committed runs and the README agree: boards, page and figure are those of the rows beside them."""

from __future__ import annotations

import re
from pathlib import Path

import faceleak
import matplotlib
import numpy as np
import pandas as pd
import pytest
from faceleak.bench.record.packed import EVIDENCE
from faceleak.bench.report.boards import build_boards, write_boards
from faceleak.bench.report.columns import SHOWN
from faceleak.bench.report.fig_ladder import draw_ladders
from faceleak.bench.report.load import load_run
from faceleak.bench.report.significance import read_table
from faceleak.bench.report.style import house_style, stem
from faceleak.bench.run.verify import verify_run
from PIL import Image

ROOT = Path(faceleak.__file__).resolve().parent
README = (ROOT / "README.md").read_text()
(FIGURE,) = (ROOT / link for link in re.findall(r"!\[[^]]*\]\((results/[^)]+\.png)\)", README))
QUICK, SHOWN_RUN = ROOT / "results" / "quick", FIGURE.parents[1]


def table(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype=str, keep_default_na=False)


@pytest.mark.parametrize("folder", [QUICK, SHOWN_RUN], ids=lambda folder: folder.name)
def test_boards_are_those_of_the_rows(folder: Path, tmp_path: Path) -> None:
    run = load_run(folder)
    compared = folder / "boards" / "significance.csv"
    known = read_table(compared) if compared.is_file() else None
    write_boards(build_boards(run.results, run.headline_fmr, compared=known), tmp_path)
    for file in sorted(tmp_path.iterdir()):
        kept, now = folder / "boards" / file.name, table(file)
        if known is None:  # of a version without comparisons: it ranked by value, and marked nothing
            if file.name == compared.name:
                continue
            now = now.drop(columns="best", errors="ignore")
            if "rank" in now:
                now["rank"] = table(kept)["rank"]
        pd.testing.assert_frame_equal(now, table(kept), obj=f"{folder.name}/{file.name}")


def test_quick_follows_from_its_evidence() -> None:
    verdict = verify_run(QUICK)
    assert verdict.clean, str(verdict)


@pytest.mark.slow
def test_what_else_was_published_with_evidence_follows_from_it() -> None:
    others = [file.parent for file in (ROOT / "results").glob(f"*/{EVIDENCE}") if file.parent != QUICK]
    assert others
    for folder in sorted(others):
        verdict = verify_run(folder)
        assert verdict.clean, str(verdict)


def test_the_page_shows_the_board() -> None:
    """Every number of the defense tables of the quick run's page stands in its board, and no scored row is missing."""
    board = pd.read_csv(QUICK / "boards" / "defenses.csv")
    page = (QUICK / "index.html").read_text()
    column_of = {shown.label: name for name, shown in SHOWN.items() if name in board}
    seen = 0
    for whole in re.findall(r'<h3 id="s\d+-defenses">.*?<table[^>]*>(.*?)</table>', page, flags=re.DOTALL):
        heads = re.findall(r"<th [^>]*>(?:<button[^>]*>)?([^<]*)", whole)
        for line in re.findall(r"<tr[^>]*>(.*?)</tr>", whole.partition("<tbody>")[2], flags=re.DOTALL):
            shown = dict(zip(heads, re.findall(r'data-sort="([^"]*)"', line), strict=True))
            told = {column_of[head]: float(text) for head, text in shown.items() if _is_number(text)}
            same = board[board["defense"] == shown["defense"]]
            for name in ("sar2", "leak_bytes"):
                same = same[np.isclose(same[name], told[name])] if name in told else same[same[name].isna()]
            assert len(same), shown
            row = same.iloc[0]
            for name, value in told.items():
                if name not in ("pareto", "flags"):  # sorted by a rank of their own
                    assert row[name] == pytest.approx(value, rel=1e-5), (shown["defense"], name)
            seen += "sar2" in told
    assert seen == board["sar2"].notna().sum() > 0


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text) is not None


@pytest.mark.parametrize("figure", [FIGURE, QUICK / "figures" / "ladder_synthetic_resnet_template.png"],
                         ids=lambda figure: figure.stem)  # fmt: skip
def test_a_ladder_is_drawn_from_the_rows_beside_it(figure: Path, tmp_path: Path) -> None:
    run = load_run(figure.parents[1])
    attacks = build_boards(run.results, run.headline_fmr)["attacks"]
    names = [stem("ladder", *row) for row in attacks[["dataset", "recognizer", "surface"]].itertuples(index=False)]
    with house_style():
        (made,) = draw_ladders(attacks[[name == figure.stem for name in names]], run.headline_fmr, tmp_path)
    assert made.stem == figure.stem
    assert (tmp_path / f"{made.stem}.csv").read_text() == figure.with_suffix(".csv").read_text()
    pinned = re.search(r"^matplotlib==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)
    if pinned is not None and pinned[1] == matplotlib.__version__:  # another version draws other pixels
        drawn, kept = (np.asarray(Image.open(file)) for file in (tmp_path / figure.name, figure))
        assert drawn.shape == kept.shape
        assert np.array_equal(drawn, kept)


def test_the_readme_names_the_victims_of_its_figure() -> None:
    (told,) = re.findall(r"\(track `(\S+)`, (\d+) victims", README)
    rows = load_run(SHOWN_RUN).results
    scored = rows[(rows["metric"] == "sar_type2") & (rows["split"] == "victims") & (rows["status"] == "ok")]
    assert told == (SHOWN_RUN.name, str(int(scored["n"].max())))


def test_every_committed_run_has_a_line_and_every_link_of_its_page_leads_somewhere() -> None:
    notes = (ROOT / "results" / "README.md").read_text()
    for folder in sorted(path.parent for path in (ROOT / "results").glob("*/run.json")):
        assert f"| `{folder.name}/` |" in notes
        page = (folder / "index.html").read_text()
        links = re.findall(r'(?:src|href)="([^"#]+)"', page)
        assert [link for link in links if not (folder / link).is_file()] == []
