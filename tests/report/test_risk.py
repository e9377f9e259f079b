"""The board that sets the paper's factor of four beside what was measured."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from faceleak.bench.record.results import COLUMNS, Row
from faceleak.bench.report.boards import build_boards
from faceleak.bench.report.fig_risk import draw_risks
from faceleak.bench.report.style import house_style

from .fixture_run import base_row


def rows(defense: str, found: float, ratio: tuple[float, float, float], seed: int = 0) -> list[Row]:
    who = {"attack": "decoder", "surface": "template", "knowledge": "K1", "judge": "toy-b", "defense": defense}
    who |= {"cell": f"decoder-{defense}-{seed}", "seed": seed}
    value, lo, hi = ratio
    return [
        base_row(**who, metric="sar_type2", fmr=0.01, value=found),
        base_row(**who, metric="rank1", value=found, ci_lo=found / 2, ci_hi=found * 2),
        base_row(**who, metric="rank1_shuffled", value=0.02),
        base_row(**who, metric="rank1_mean_face", value=0.01),
        base_row(**who, metric="risk_ratio", value=value, ci_lo=lo, ci_hi=hi),
    ]


def board(*parts: list[Row]) -> dict[str, pd.DataFrame]:
    frame = pd.DataFrame([row for part in parts for row in part], columns=list(COLUMNS))
    for name in ("value", "fmr", "seed", "ci_lo", "ci_hi", "train_s", "invert_s", "n_queries", "params", "n_aux"):
        frame[name] = pd.to_numeric(frame[name])
    return build_boards(frame)


def test_each_interval_is_read_beside_four() -> None:
    found = board(
        rows("none", 0.4, (20.0, 12.0, 30.0)),
        rows("biohash", 0.04, (2.0, 0.5, 3.9)),
        rows("pca", 0.08, (4.0, 2.0, 8.0)),
        rows("slerpface", 0.9, (math.inf, 9.0, math.inf)),
    )["risk"].set_index("defense")
    assert found["factor_of_four"].to_dict() == {
        "none": "above", "biohash": "below", "pca": "not told apart", "slerpface": "above",
    }  # fmt: skip
    assert (found["strongest"] == "yes").all()
    assert found.loc["none", "mean_face_ratio"] == pytest.approx(40)
    assert found.loc["none", ["mean_face_ratio_lo", "mean_face_ratio_hi"]].tolist() == pytest.approx([20, 80])
    assert math.isnan(found.loc["none", "random_vector_ratio"])


def test_runs_without_ratios_have_no_such_board() -> None:
    assert "risk" not in board([row for row in rows("none", 0.4, (20.0, 12.0, 30.0)) if "_" not in str(row["metric"])])


def test_the_figure_draws_what_is_infinite_and_what_is_nothing(tmp_path: Path) -> None:
    found = board(rows("none", 0.9, (math.inf, 9.0, math.inf)), rows("biohash", 0.0, (0.0, 0.0, 1.5)))["risk"]
    with house_style():
        (made,) = draw_risks(found, tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".pdf", ".csv"}
    assert "factor of four" in made.caption
