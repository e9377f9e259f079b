"""The site: all of the committed boards is there, says how old it is, leads somewhere, and asks the network nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.core.errors import InputError
from faceleak.bench.record.packed import EVIDENCE
from faceleak.bench.record.results import read_results
from faceleak.bench.report.html import environment
from faceleak.bench.report.site import make_site
from faceleak.bench.report.site.age import age_of, code_now
from faceleak.bench.report.site.board import committed, read
from faceleak.bench.report.site.dress import dressed
from faceleak.bench.report.site.pareto import defense_plot
from faceleak.bench.report.site.threats import THREATS

from .conftest import RESULTS, SOME

PAGES = ("index.html", "search.html", *(threat.page for threat in THREATS))


def pages_of(site: Path) -> dict[Path, str]:
    return {file: file.read_text() for file in sorted(site.rglob("*.html"))}


def complete(site: Path, boards: list[Path]) -> None:
    """Every board has its pages, its place on the first page, and every one of its cells in the search."""
    told = json.loads((site / "site.json").read_text())["boards"]
    assert list(told) == [folder.name for folder in boards]
    first, search = ((site / name).read_text() for name in ("index.html", "search.html"))
    found = re.findall(r'href="boards/([^/]+)/cells\.html#c-([^"]+)"', search)
    assert len(found) == len(set(found))
    for folder in boards:
        assert f'<a href="boards/{folder.name}/index.html">{folder.name}</a>' in first
        table = next(file for name in ("results.csv", "results.csv.gz") if (file := folder / name).is_file())
        cells = set(pd.read_csv(table, usecols=["cell"], dtype=str)["cell"])
        assert {html.unescape(cell) for name, cell in found if name == folder.name} == cells
        assert told[folder.name]["cells"] == len(cells)
        for name in ("boards", "figures", "run.json", "manifest.json", "env.json", table.name):
            assert (site / "boards" / folder.name / name).exists()
        for sha in told[folder.name]["commits"]:
            assert sha in first


def linked(site: Path) -> None:
    """Every link leads to a file, and to a part of it that is there; nothing leads out of the site."""
    pages = pages_of(site)
    ids = {file: set(re.findall(r'\bid="([^"]+)"', text)) for file, text in pages.items()}
    for file, text in pages.items():
        assert not re.search(r"(src|href|action)\s*=\s*[\"']?\s*(\w+:|//)", text), file
        assert not re.search(r"<script[^>]+src|<link|<iframe|<object|<base|@import|url\(|fetch\(|XMLHttpRequest", text)
        for link in set(re.findall(r'(?:src|href)="([^"]*)"', text)):
            path, _, part = html.unescape(link).partition("#")
            target = (file.parent / unquote(path)).resolve() if path else file.resolve()
            assert target.is_file(), (file, link)
            assert target.is_relative_to(site.resolve())
            if part and target.suffix == ".html":
                assert part in ids[site / target.relative_to(site.resolve())], (file, link)


def test_every_board_and_every_cell_is_there(site: Path, few_boards: Path) -> None:
    complete(site, committed(few_boards))
    assert {file.name for file in site.glob("*.html")} == set(PAGES)
    assert not list(site.rglob(EVIDENCE))


def test_all_committed_boards_are_found() -> None:
    assert [folder.name for folder in committed(RESULTS)] == sorted(
        file.parent.name for file in RESULTS.glob("*/run.json")
    )


def test_links_lead_somewhere_and_nothing_to_the_network(site: Path) -> None:
    linked(site)


def test_every_page_runs_its_own_style_and_script_and_nothing_else(site: Path) -> None:
    for file, text in pages_of(site).items():
        policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', text)[0])
        assert policy.startswith("default-src 'none'; img-src 'self' file:; ")
        for tag in ("style", "script"):
            (part,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
            told = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{told}'" in policy, file
        assert not re.search(r"<[^>]+\s(on\w+|style)=", text), file
        assert '<html lang="en">' in text
        assert 'name="viewport" content="width=device-width' in text
        assert re.search(r'<a class="skip" href="#content">', text)


def test_pages_of_a_board_are_those_that_were_committed(site: Path) -> None:
    """Numbers, curves and commands of the committed pages, none more and none less; the site's head around them."""
    for name in SOME:
        for page in ("index.html", "cells.html"):
            kept, now = (RESULTS / name / page).read_text(), (site / "boards" / name / page).read_text()
            body = kept.partition("<body>\n")[2].rpartition("<script>")[0]
            assert body
            assert body in now
            assert '<a href="../../search.html">Search</a>' in now
    assert "<polyline" in (site / "boards" / "lfw-attacks" / "cells.html").read_text()


def test_tables_by_threat_show_the_committed_numbers(site: Path) -> None:
    """Each number leads to a cell of its board whose rows have it."""
    board = pd.read_csv(RESULTS / "lfw-attacks" / "boards" / "defenses.csv").iloc[0]
    rows = read_results(RESULTS / "lfw-attacks" / "results.csv")
    page = (site / "stored.html").read_text()
    links = re.findall(r'data-sort="([^"]+)"><a href="boards/lfw-attacks/cells.html#c-([^"]+)">', page)
    (key,) = {cell for value, cell in links if value == f"{board['sar2']:.6g}"}
    cell = rows[(rows["cell"] == key) & (rows["metric"] == "sar_type2") & (rows["judge"] == board["judge"])]
    assert np.isclose(cell.loc[(cell["fmr"] == 0.01) & (cell["split"] == "victims"), "value"], board["sar2"]).any()
    assert f"{set(cell['attack']).pop()} ({set(cell['knowledge']).pop()})" == board["worst_attack"]
    published = pd.read_csv(RESULTS / "lfw-images" / "boards" / "publication.csv")
    page = (site / "published.html").read_text()
    for _, row in published.iterrows():
        assert f">{row['defense']}</a>" in page
        assert f'data-sort="{row["psr_dodging"]:.6g}"' in page


def test_old_boards_and_flags_are_marked(site: Path) -> None:
    first, sent = (site / "index.html").read_text(), (site / "sent.html").read_text()
    age = read(RESULTS / "utility").age
    assert age.last == "2026-11-21"
    for text in (first, sent, (site / "boards" / "utility" / "index.html").read_text()):
        assert age.label in html.unescape(text)
        assert age.days in text
    assert str(age) in html.unescape(sent)
    raised = set(re.findall(r'href="#(flag-F\d+)"', sent))
    assert raised
    assert raised <= set(re.findall(r'id="(flag-F\d+)"', sent))


def test_age_follows_from_the_commits_of_the_rows() -> None:
    rows = pd.DataFrame({"created": ["2026-11-21T10:00:00Z", "2026-11-22T10:00:00Z", ""],
                         "code_sha": ["f" * 40, "e" * 40, ""], "dirty": ["False", "False", ""]})  # fmt: skip
    age = age_of(rows)
    assert (age.commits, age.changes, age.label) == (("fffffff", "eeeeeee"), None, "code of unknown age")
    assert age.days == "21 November 2026 to 22 November 2026"
    now = code_now()
    if not now:
        pytest.skip("not in a checkout: no history to ask")
    new = age_of(rows.assign(code_sha=now))
    assert (new.changes, new.label, new.commits) == (0, "today's code", (now[:7],))
    assert "nothing that measures has changed" in str(new)
    assert age_of(rows.assign(code_sha=now, dirty="True")).label == "older than today's code"
    assert age_of(rows.assign(code_sha=[now, "e" * 40, ""])).changes is None, "one commit is not in the history"


def test_the_figure_has_a_mark_for_every_defense_where_its_numbers_are() -> None:
    board = read(RESULTS / "lfw-defenses")
    rows = board.tables["defenses"]
    rows = rows[(rows["surface"] == "template") & (rows["recognizer"] == "mobilefacenet")]
    plot = defense_plot(rows, 0.01, lambda row, column: f"{row['defense']}/{column}")
    assert plot is not None
    marks = {mark.name: mark for mark in plot.marks}
    assert set(marks) == {"none (unprotected)", *rows["defense"]} - {"none"}
    axis = "tar" if rows["tar"].notna().all() else "accuracy"
    by_use = rows.sort_values(axis)["defense"].replace("none", "none (unprotected)")
    assert [marks[name].x for name in by_use] == sorted(mark.x for mark in plot.marks)
    leaks = rows.set_index("defense").loc["slerpface", ["sar2", "identity_sar2"]].astype(float)
    assert marks["slerpface"].y == pytest.approx(344 - 326 * (1 - leaks.max()), abs=0.1)
    assert marks["slerpface"].cell == f"slerpface/{leaks.idxmax()}"
    best = set(rows.loc[rows["pareto"] == "yes", "defense"])
    assert {mark.name for mark in plot.marks if mark.tone == "best"} == best - {"none"}
    for mark in plot.marks:
        left, right, low, high = mark.bars
        assert left <= mark.x <= right
        assert high <= mark.y <= low, "a picture's y runs downwards"
    assert "%" in marks["slerpface"].detail


def test_what_is_no_board_or_no_site_is_refused_and_stays(few_boards: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no board"):
        make_site(tmp_path, tmp_path / "out")
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="is not a site of faceleak"):
        make_site(few_boards, foreign)
    assert (foreign / "thesis.tex").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_page_with_more_in_it_than_a_report_writes_is_refused(tmp_path: Path) -> None:
    board, made, page = read(RESULTS / "utility"), environment(site=True), tmp_path / "index.html"
    kept = (RESULTS / "utility" / "index.html").read_text()
    for evil in (
        "<script>alert(1)</script>", '<meta http-equiv="refresh" content="0; url=//x">', '<p onclick="f()">',
        '<a href="https://example.org">', '<img src="//example.org/x.png">', '<p style="color: red">',
        '<a href="&#106;avascript:f()">',
    ):  # fmt: skip
        page.write_text(kept.replace("<header>", f"{evil}<header>"))
        with pytest.raises(InputError, match=r"is not a page that `faceleak report` wrote \(it has "):
            dressed(page, board, made)
    page.write_text(kept.replace("<body>", "<body >"))
    with pytest.raises(InputError, match="is not a page that `faceleak report` wrote; "):
        dressed(page, board, made)
    page.write_text(kept)
    assert dressed(page, board, made)


def test_a_board_without_its_report_is_refused(tmp_path: Path) -> None:
    shutil.copytree(RESULTS / "utility", tmp_path / "utility")
    (tmp_path / "utility" / "cells.html").unlink()
    with pytest.raises(InputError, match=r"has no cells.html: `faceleak report .*utility` writes its report"):
        make_site(tmp_path, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["utility"], "nothing is left behind"


def test_pictures_of_people_are_refused(tmp_path: Path) -> None:
    board = tmp_path / "results" / "lfw-attacks"
    shutil.copytree(RESULTS / "lfw-attacks", board)
    (board / "figures" / "grid-attacks_lfw_retail0095_template.png").write_bytes(b"a face")
    with pytest.raises(InputError, match="is of real faces and has grid-attacks_lfw"):
        make_site(board.parent, tmp_path / "out")


def test_an_earlier_site_is_replaced_by_the_same_bytes(tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "site"
    results.mkdir()
    shutil.copytree(RESULTS / "utility", results / "utility")
    (results / "utility" / "cells").mkdir()
    (results / "utility" / "cells" / "pictures.safetensors").write_bytes(b"faces")
    make_site(results, out)
    assert not list(out.rglob("cells")), "what a run keeps for itself stays there"
    first = {file.relative_to(out): file.read_bytes() for file in out.rglob("*") if file.is_file()}
    (out / "stale.html").write_text("of an earlier version")
    make_site(results, out)
    assert {file.relative_to(out): file.read_bytes() for file in out.rglob("*") if file.is_file()} == first


@pytest.mark.slow
def test_the_site_of_all_committed_boards(tmp_path: Path) -> None:
    make_site(RESULTS, tmp_path / "site")
    complete(tmp_path / "site", committed(RESULTS))
    linked(tmp_path / "site")
