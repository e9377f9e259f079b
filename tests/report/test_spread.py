"""``faceleak compare A B --spread``: two runs of one track on two machines, row by row."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from faceleak.bench.cli.main import app
from faceleak.bench.core.errors import InputError
from faceleak.bench.run.spread import spread_of
from typer.testing import CliRunner

from .fixture_run import Shape, build_run

SMALL = Shape(n_defenses=2, n_attacks=1, seeds=(0, 1), surfaces=("template",), pictures=False)


def two(folder: Path) -> tuple[Path, Path]:
    return build_run(folder / "a", SMALL, failures=False), build_run(folder / "b", SMALL, failures=False)


def change(run: Path, name: str, **parts: object) -> None:
    file = run / f"{name}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | parts))


def moved(run: Path, gaps: list[float]) -> None:
    """Add these to the first rows of SAR Type-II at the headline rate under one judge, and much to every other rate."""
    table = pd.read_csv(run / "results.csv")
    headline = (table["metric"] == "sar_type2") & (table["split"] == "victims") & (table["judge"] == "toy-b")
    rows = table.index[headline & (table["fmr"] == 0.01)]
    table.loc[rows[: len(gaps)], "value"] += gaps
    table.loc[(table["metric"] == "sar_type2") & (table["fmr"] != 0.01), "value"] += 0.5
    table.loc[(table["metric"] == "sar_type2") & (table["split"] != "victims"), "value"] += 0.5
    table.to_csv(run / "results.csv", index=False)


def test_mean_and_maximum_of_the_headline_rows(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    moved(b, [0.03, -0.05])
    change(b, "env", kernels="DEFAULT")
    found = spread_of(a, b)
    rows = found.table[found.table["metric"] == "sar_type2"]
    gaps = rows["gap"].to_numpy()
    assert sorted(gaps.round(6))[-2:] == [0.03, 0.05]
    assert gaps.mean() == pytest.approx(0.08 / len(rows))
    assert set(rows["seed"]) == {0, 1}, "seeds are rows of their own"
    text = CliRunner().invoke(app, ["compare", str(a), str(b), "--spread"]).output
    assert f"{len(rows)} rows, |A - B| mean {gaps.mean():.4f}" in text
    assert "at most 0.0500" in text
    assert "kernels DEFAULT" in text
    assert "differ (" not in text, "one commit, one data set, no secret roots"


def test_what_is_not_the_machine_is_named(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    change(b, "env", code_sha="fedcba9876543210")
    (a / "secrets.json").write_text('{"root": "aa"}')
    (b / "secrets.json").write_text('{"root": "bb"}')
    notes = " ".join(spread_of(a, b).notes)
    assert "Commits differ (0123abc and fedcba987654)" in notes
    assert "secret roots differ" in notes
    table = pd.read_csv(b / "results.csv")
    table[table["attack"] != "grey"].to_csv(b / "results.csv", index=False)
    alone = spread_of(a, b).alone
    assert alone[0] > 0 == alone[1]


@pytest.mark.parametrize(
    ("name", "parts", "told"),
    [
        ("run", {"track": "other"}, "track is made-up and other"),
        ("run", {"protocol": {"fmrs": [0.1, 0.01, 0.001], "headline_fmr": 0.1}}, "headline_fmr"),
        ("run", {"resolved": {"datasets": {"x": {}}}}, "datasets"),
        ("manifest", {"splits_sha256": "00"}, "other people"),
    ],
)
def test_runs_of_another_definition_are_refused(tmp_path: Path, name: str, parts: dict[str, object], told: str) -> None:
    a, b = two(tmp_path)
    change(b, name, **parts)
    with pytest.raises(InputError, match=told):
        spread_of(a, b)
