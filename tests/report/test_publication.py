"""The board, the figure and the sentences of published pictures, from rows whose answer is known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.record.results import read_results, write_results
from faceleak.bench.report.board_publication import publication_board
from faceleak.bench.report.fig_publication import draw_publications
from faceleak.bench.report.rows import prepare
from faceleak.bench.report.style import house_style
from faceleak.bench.report.summary import publication_sentences
from faceleak.bench.report.tables import board_table

JPEG = ATTACKS.get("purification").fidelity
# Defence -> (dodging before v, dodging before r that the protector had, PSNR, goal).
SYSTEMS = {
    "none": (0.1, 0.1, 100.0, "block-inversion"),
    "noise a": (0.2, 0.2, 30.0, "cloak"),
    "noise b": (0.6, 0.6, 20.0, "cloak"),
    "strong": (0.8, 0.99, 25.0, "cloak"),
    "weak": (0.28, 0.97, 25.0, "cloak"),
    "lock": (0.9, 0.9, 10.0, "lock"),
}


def row(
    defense: str, metric: str, value: float | None, judge: str = "", fmr: float | None = None, **more: Any
) -> dict[str, Any]:
    base = {
        "run_id": "x",
        "cell": defense,
        "recognizer": "r",
        "defense": defense,
        "dataset": "faces",
        "split": "victims",
    }
    ends = {} if value is None else {"ci_lo": value - 0.05, "ci_hi": value + 0.05}
    return (
        base | ends | {"metric": metric, "value": value, "judge": judge, "fmr": fmr, "seed": 0, "status": "ok"} | more
    )


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    rows = []
    for name, (dodging, seen, psnr, goal) in SYSTEMS.items():
        rows += [
            row(name, "psr_dodging", dodging, "v", 0.01), row(name, "psr_dodging", 0.0, "v", 0.1),
            row(name, "psr_dodging", dodging + 0.02, "w", 0.01), row(name, "psr_dodging", seen, "protector:r", 0.01),
            row(name, "rank1_originals", 1 - dodging, "v"), row(name, "psnr", psnr), row(name, "ssim", psnr / 100),
            row(name, "goal", None, unit=goal),
        ]  # fmt: skip
        if name.startswith("noise"):
            rows.append(row(name, "noise_sigma", 0.1))
    ways = {"right": 40.0, "8bit": 39.8, "wrong_key": 12.0, "one_bit": 13.0, "blank": 39.5, "ceiling": 41.0}
    for way, psnr in ways.items():
        rows.append(row("lock", f"recovery_psnr_{way}", psnr))
    rows.append(row("verifies", "accuracy", 0.9))  # publishes nothing
    for attack, found, fidelity in (
        ("jpeg", 0.55, JPEG.value),
        ("blur", 0.35, JPEG.value),
        ("mean-face", 0.9, "baseline"),
    ):
        of = {"attack": attack, "surface": "image", "knowledge": "K0", "fidelity": fidelity, "cell": f"strong {attack}"}
        rows.append(row("strong", "sar_type2", found, "v", 0.01, **of))
    return board_of(rows, tmp_path_factory.mktemp("publication"))


def board_of(rows: list[dict[str, Any]], folder: Path) -> pd.DataFrame:
    write_results(rows, folder / "results.csv")
    results = read_results(folder / "results.csv")
    return publication_board(results, prepare(results, 0.01))


def test_one_row_for_each_that_publishes_undefended_first(board: pd.DataFrame) -> None:
    assert list(board["defense"]) == ["none", "noise a", "weak", "noise b", "strong", "lock"]
    assert list(board["goal"]) == ["block-inversion", *["cloak"] * 4, "lock"]


def test_the_judge_that_decides_never_helped_and_finds_most(board: pd.DataFrame) -> None:
    assert set(board["judge"]) == {"v"}
    weak = board.set_index("defense").loc["weak"]
    assert (weak["psr_dodging"], weak["psr_dodging_seen"], weak["seen_judge"]) == (0.28, 0.97, "r")


def test_noise_of_the_same_psnr_is_what_a_cloak_has_to_beat(board: pd.DataFrame) -> None:
    at = board.set_index("defense")
    assert at.loc["strong", "noise_dodging"] == pytest.approx(0.4)  # halfway between the two
    assert (at.loc["strong", "beats_noise"], at.loc["weak", "beats_noise"]) == ("yes", "no")
    assert math.isnan(at.loc["lock", "noise_dodging"]), "less visible noise than that was never measured"
    assert at.loc["noise a", "beats_noise"] == at.loc["none", "beats_noise"] == ""


def test_the_best_way_to_wash_a_picture_is_an_attack_and_no_floor(board: pd.DataFrame) -> None:
    strong = board.set_index("defense").loc["strong"]
    assert (strong["washed_by"], strong["washed_sar2"]) == ("jpeg (K0)", 0.55)


def test_sentences_say_who_transfers_and_whose_key_is_the_picture(board: pd.DataFrame) -> None:
    text = publication_sentences(board, 0.01)
    assert text[0].startswith("Published as they are, 90 % of the photos are found")
    assert "same PSNR, before that judge: strong." in text[1]
    assert text[2].endswith("so the protection does not transfer: weak.")
    assert board.set_index("defense")["recovery_psnr_ceiling"].dropna().to_dict() == {"lock": 41.0}
    assert text[3].endswith("the key is the picture: lock.")


def test_an_interval_has_the_decimals_of_its_value(board: pd.DataFrame) -> None:
    shown = board_table(board, ["defense", "psr_dodging", "psnr", "ssim"], "publication", "Published pictures")
    (strong,) = (line.cells[1:] for line in shown.lines if line.cells[0].text == "strong")
    assert [(cell.text, cell.interval) for cell in (strong[0], strong[2])] == [
        ("80.0", "75.0 to 85.0"), ("0.25", "0.20 to 0.30"),
    ]  # fmt: skip


def test_labels_with_commas_are_kept_apart(board: pd.DataFrame) -> None:
    again = board[board["defense"] == "strong"].assign(defense="strong, energy 0")
    assert publication_sentences(pd.concat([board, again]), 0.01)[1].endswith(": strong; strong, energy 0.")


def test_the_figure_falls_back_on_ssim_and_says_so(board: pd.DataFrame, tmp_path: Path) -> None:
    with house_style():
        (made,) = draw_publications(board, 0.01, tmp_path)
    assert "LPIPS is absent" in made.caption
    twin = pd.read_csv(tmp_path / f"{made.stem}.csv")
    assert set(twin["defense"]) == set(SYSTEMS)
    assert {"ssim", "psr_dodging", "psr_dodging_lo"} <= set(twin)


def test_noise_is_uncertain_too_and_what_touches_is_a_tie(tmp_path: Path) -> None:
    """Noise of 25 dB has .4, from .3 to .5."""
    rows = []
    systems = {"noise a": (30.0, 0.2), "noise b": (20.0, 0.6), "alike": (25.0, 0.5), "better": (25.0, 0.7)}
    for name, (psnr, dodging) in systems.items():
        rows += [row(name, "psr_dodging", dodging, "v", 0.01, ci_lo=dodging - 0.1, ci_hi=dodging + 0.1),
                 row(name, "psnr", psnr), row(name, "goal", None, unit="cloak")]  # fmt: skip
    rows += [row(name, "noise_sigma", 0.1) for name in ("noise a", "noise b")]
    board = board_of(rows, tmp_path)
    assert board.set_index("defense")["beats_noise"].to_dict() == {
        "noise a": "", "noise b": "", "alike": "tie", "better": "yes",
    }  # fmt: skip
    assert "Not proven harder to find than with noise of the same PSNR" in " ".join(publication_sentences(board, 0.01))


def test_several_seeds_give_no_envelope(tmp_path: Path) -> None:
    """Two seeds at .2 and .202 with ends .1 away: half of the interval is sqrt(.1^2 + t^2 s^2 / 2)."""
    rows = [
        row("some", "psr_dodging", value, "v", 0.01, seed=seed, cell=str(seed), ci_lo=value - 0.1, ci_hi=value + 0.1)
        for seed, value in ((0, 0.2), (1, 0.202))
    ]
    board = board_of(rows, tmp_path)
    half = math.hypot(0.1, 12.7062 * math.sqrt(2) * 0.001 / math.sqrt(2))
    assert board.loc[0, "psr_dodging_hi"] == pytest.approx(0.201 + half, rel=1e-5)
