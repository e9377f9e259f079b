"""The CSV: stable order, six digits, empty means not applicable."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from faceleak.bench.record.results import COLUMNS, read_results, write_results


def _rows() -> list[dict[str, object]]:
    return [
        {"dataset": "d", "attack": attack, "metric": metric, "fmr": fmr, "value": value, "seed": 0, "status": "ok"}
        for attack in ("b", "a")
        for metric, fmr, value in (("sar", 0.1, 1 / 3), ("sar", 0.01, 0.0), ("psnr", None, 12.3456789))
    ]


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = _rows()
    write_results(rows, tmp_path / "a.csv")
    random.Random(0).shuffle(rows)
    write_results(rows, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_digits_zeros_and_blanks(tmp_path: Path) -> None:
    write_results(_rows(), tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    assert any(",12.3457," in line for line in lines)
    assert any(",0.333333," in line for line in lines)
    frame = read_results(tmp_path / "a.csv")
    assert frame["value"].tolist().count(0.0) == 2
    assert frame["fmr"].isna().sum() == 2, "not applicable is empty, not 0"
    assert (frame["judge"] == "").all()
    assert np.isclose(frame["value"].max(), 12.3457)


def test_no_rows_is_a_header(tmp_path: Path) -> None:
    write_results([], tmp_path / "a.csv")
    assert read_results(tmp_path / "a.csv").empty
