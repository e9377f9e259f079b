"""Success against budget: which points make a curve, and that it is drawn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from faceleak.bench.report.curves import spaced
from faceleak.bench.report.fig_budget import budget_table, draw_budgets
from faceleak.bench.report.rows import prepare

from .test_boards import attack, base_row, table

PLUGINS = {"climb 100": "climb", "climb 1000": "climb", "decoder": "decoder", "once": "once"}


def _rows():  # type: ignore[no-untyped-def]
    rows = []
    for name, asked, reach in (("climb 100", 100, 0.2), ("climb 1000", 1000, 0.6), ("once", 99, 0.4)):
        found = attack(name, reach, cell=name)
        asked_row = base_row(attack=name, surface="template", knowledge="K1", metric="queries_per_victim", cell=name)
        rows += [*found, asked_row | {"value": asked}]
    for pairs, reach in ((256, 0.1), (4000, 0.5)):
        rows += [
            row | {"n_aux": pairs, "n_protected_pairs": pairs} for row in attack("decoder", reach, cell=f"d{pairs}")
        ]
    return rows


def test_attacks_with_several_budgets_are_curves_and_others_are_not() -> None:
    found = budget_table(prepare(table(_rows()), 0.01), PLUGINS)
    climb = found[found["axis"] == "queries"]
    assert climb["plugin"].unique().tolist() == ["climb"]
    assert climb["budget"].tolist() == [100, 1000]
    assert climb["sar2"].tolist() == pytest.approx([0.2, 0.6])
    learnt = found[found["axis"] == "pairs"]
    assert learnt[["plugin", "budget"]].to_numpy().tolist() == [["decoder", 256], ["decoder", 4000]]


def test_steps_are_a_curve_of_their_own() -> None:
    """Shorter trainings are no point of the curve against pairs, on which only pairs differ."""
    curve = [(300.0, "short"), (900.0, "decoder")]
    rows = _rows() + [row | {"n_aux": 4000, "n_protected_pairs": 4000} for row in attack("short", 0.3, cell="s")]
    found = budget_table(prepare(table(rows), 0.01), PLUGINS | {"short": "decoder"}, [curve])
    steps = found[found["axis"] == "steps"]
    assert steps["plugin"].unique().tolist() == ["decoder"]
    assert set(steps["budget"]) == {300.0, 900.0}
    assert "short" not in found[found["axis"] == "pairs"]["attack"].tolist()


def test_a_run_says_which_entries_are_one_curve_of_steps(tmp_path: Path) -> None:
    """The report reads it: settings are known to whoever has the attacks, and reports are made without them."""
    known = {"headline_fmr": 0.01, "roles": {}, "utility_loss": 0.01, "shared_people": 1.0}
    told = {"stepped": [[[300, "climb 100"], [900, "climb 1000"]]]}
    made = draw_budgets(SimpleNamespace(results=table(_rows()), run=told, **known), tmp_path)  # type: ignore[arg-type]
    assert {one.stem.split("_")[0] for one in made} == {"success-vs-steps", "success-vs-pairs"}


def test_the_figures_are_drawn(tmp_path: Path) -> None:
    entries = [{"name": plugin, "label": title} for title, plugin in PLUGINS.items()]
    known = {"headline_fmr": 0.01, "roles": {}, "utility_loss": 0.01, "shared_people": 1.0}
    run = SimpleNamespace(results=table(_rows()), run={"resolved": {"attacks": entries}}, **known)
    made = draw_budgets(run, tmp_path)  # type: ignore[arg-type]
    assert [one.kind for one in made] == ["budget", "budget"]
    for one in made:
        assert (tmp_path / f"{one.stem}.png").stat().st_size > 5000
    empty = SimpleNamespace(results=table([]), run={}, **known)
    assert draw_budgets(empty, tmp_path) == []  # type: ignore[arg-type]


def test_numbers_on_the_axis_do_not_lie_on_one_another() -> None:
    assert spaced([25, 99, 400, 480, 500, 1984, 2000]) == [25, 99, 400, 1984]
    assert spaced([7]) == [7]
