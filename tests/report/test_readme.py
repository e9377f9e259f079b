"""What pages say of boards is written by code: ties are ties, and what was never compared is never said to win."""

from __future__ import annotations

import json
from pathlib import Path

import faceleak
import pandas as pd
import pytest
from faceleak.bench.cli.main import app
from faceleak.bench.core.errors import InputError
from faceleak.bench.record.results import write_results
from faceleak.bench.report.boards import write_csv
from faceleak.bench.report.comparisons import compared_of
from faceleak.bench.report.load import load_run
from faceleak.bench.report.readme import blocks_of, fill_page
from faceleak.bench.report.verdict_tables import verdict_text
from typer.testing import CliRunner

from .fixture_run import base_row
from .test_significance import GAINS, run_of

PAGE = Path(faceleak.__file__).resolve().parent / "results" / "README.md"
BLOCK = "<!-- generated: {} verdicts -->\n{}<!-- end -->\n"


@pytest.mark.parametrize(
    "board",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "synthetic"))  # a second and a half: 460 cells
     for name in sorted(blocks_of(PAGE.read_text()))],
)  # fmt: skip
def test_a_block_of_the_committed_page_is_what_its_board_says(board: str) -> None:
    told = f"`faceleak verdicts` has not been run since results/{board} or the code changed"
    assert blocks_of(PAGE.read_text())[board] == verdict_text(PAGE.parent / board), told


def test_every_committed_board_has_a_block() -> None:
    boards = {file.parent.name for file in PAGE.parent.glob("*/run.json")}
    assert set(blocks_of(PAGE.read_text())) == boards


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``weak`` is the floor; ``kept`` and ``alike`` leak less than ``none``, victim by victim, intervals overlap."""
    found = run_of(tmp_path / "toy", GAINS)
    about(found, "run.json", roles={"weak": "floor", "strong": "attack", "same": "attack"})
    (found / "boards").mkdir()
    compared = compared_of(load_run(found), [])
    assert compared is not None
    write_csv(compared, found / "boards" / "significance.csv")
    return found


def about(folder: Path, name: str, **parts: object) -> None:
    file = folder / name
    kept = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps(kept | parts))


def lines(text: str) -> dict[str, str]:
    return {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}


def test_proven_differences_are_said_and_ties_are_ties(folder: Path) -> None:
    found = lines(verdict_text(folder))
    assert "weak .2" in found["none"]
    assert ", above (+." in found["none"]
    assert "leaks less, proven" in found["kept"]
    assert "leaks less, proven" in found["alike"]
    table = pd.read_csv(folder / "boards" / "significance.csv")
    table.assign(significant="no").to_csv(folder / "boards" / "significance.csv", index=False)
    found = lines(verdict_text(folder))
    assert ", a tie (+." in found["none"]
    assert "not proven to leak less" in found["kept"]


def test_a_board_without_comparisons_says_so_though_its_intervals_are_far_apart(folder: Path) -> None:
    (folder / "boards" / "significance.csv").unlink()
    text = verdict_text(folder)
    assert "Not compared: older than paired scores" in text
    for word in ("proven", "above", "below", "a tie"):
        assert word not in text
    assert "leaks less? not compared" in lines(text)["kept"]


def test_what_was_not_trained_out_has_no_verdict_and_old_boards_do_not_know(folder: Path) -> None:
    run = load_run(folder, cells=False)
    assert "How long the defences' networks learnt is not known" in verdict_text(folder)
    about(folder, "manifest.json", metrics={"train_epochs": {}})
    rows = [{str(name): value for name, value in row.items()} for row in run.results.to_dict("records")]
    rows = [row | ({"flags": "F17"} if row["defense"] == "kept" else {"flags": "F15"}) for row in rows]
    rows.append(base_row(defense="kept", metric="train_epochs", value=1.5, cell="u-kept", flags="F17"))
    write_results(rows, folder / "results.csv")
    text = verdict_text(folder)
    found = lines(text)
    assert "no verdict: not trained out after 1.5 epochs (F17)" in found["kept"]
    assert "leaks less" not in found["kept"]
    assert "at least: the attack is not saturated (F15)" in found["alike"]
    assert "How long" not in text


def test_the_registry_knows_what_papers_claim(folder: Path) -> None:
    about(folder, "run.json", resolved={"defenses": [{"name": "partialface", "label": "kept"}, {"name": "none"}]})
    text = verdict_text(folder)
    assert "* `partialface` (simplified here; Mi et al., ICCV 2023): “" in text
    assert "reported: recovery SSIM .591, PSNR 13.70 dB; LFW 99.80 % (PartialFace, tables 1 and 3)." in text
    assert "`none` (" not in text


def test_only_blocks_are_written_and_checking_writes_nothing(folder: Path) -> None:
    page = folder.parent / "page.md"
    page.write_text("before\n" + BLOCK.format("toy", "old\n") + "after\n")
    done = CliRunner().invoke(app, ["verdicts", str(page), "--check"])
    assert (done.exit_code, "older than its boards: toy" in done.output) == (1, True)
    assert "old\n" in page.read_text()
    assert fill_page(page) == ["toy"]
    assert page.read_text() == "before\n" + BLOCK.format("toy", verdict_text(folder)) + "after\n"
    assert CliRunner().invoke(app, ["verdicts", str(page), "--check"]).exit_code == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no marks\n", "has no block"),
        ("<!-- generated: toy verdicts -->\nx\n", "are not blocks"),
        ("<!-- end -->\n" + BLOCK.format("toy", ""), "are not blocks"),
        (BLOCK.format("toy", "") * 2, "two blocks"),
        (BLOCK.format("toy", "<!-- generated: b verdicts -->\n"), "are not blocks"),
    ],
)
def test_broken_marks_are_refused(tmp_path: Path, text: str, told: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(InputError, match=told):
        fill_page(page)
    assert page.read_text() == text
