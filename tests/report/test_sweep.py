"""The strength sweep: which entries belong together, and what the curve says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faceleak.bench.report import make_report
from faceleak.bench.report.fig_sweep import Sweep, draw_sweeps, find_sweeps, sweep_table
from faceleak.bench.report.load import load_run
from faceleak.bench.report.rows import prepare

from .fixture_run import Shape, build_run
from .test_boards import attack, table, utility

SHAPE = Shape(n_defenses=4, n_attacks=2, seeds=(0,), surfaces=("template",), pictures=False, victims=2)
SWEPT = ("gaussian-noise", "biohash", "advface")  # the made-up run's names, here as labels of one plug-in
ENTRIES: list[dict[str, Any]] = [
    {"name": "none", "label": "", "settings": {}},
    *(
        {"name": "noise", "label": label, "settings": {"eps": eps, "mode": "m"}}
        for label, eps in zip(SWEPT, (1, 0.25, 0.5))
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_run(tmp_path_factory.mktemp("sweep") / "run", SHAPE, failures=False)
    content = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(content | {"resolved": {"defenses": ENTRIES}}))
    make_report(folder)
    return folder


def test_entries_that_differ_in_one_number_are_a_sweep_in_order_of_it() -> None:
    assert find_sweeps(ENTRIES) == [
        Sweep("noise", "eps", ((0.25, "biohash"), (0.5, "advface"), (1.0, "gaussian-noise")))
    ]


@pytest.mark.parametrize(
    "others",
    [
        [{"name": "noise", "settings": {"eps": 1.0}}],  # one alone
        [{"name": "noise", "settings": {"eps": 1.0, "mode": "a"}}, {"name": "noise", "settings": {"eps": 2.0}}],
        [{"name": "a", "settings": {"eps": 1.0}}, {"name": "b", "settings": {"eps": 2.0}}],  # two plug-ins
        [{"name": "a", "settings": {"on": True}}, {"name": "a", "settings": {"on": False}}],  # not a strength
        [{"name": ["a", "b"], "settings": {"a": {"eps": 1}}}, {"name": ["a", "b"], "settings": {"a": {"eps": 2}}}],
        [{"name": "a", "settings": {}}, {"name": "a", "label": "l"}, {}],
    ],
)
def test_what_is_no_sweep(others: list[dict[str, Any]]) -> None:
    assert find_sweeps(others) == []


def test_two_curves_where_a_second_setting_differs() -> None:
    entries = [
        {"name": "n", "label": f"{e} {m}", "settings": {"eps": e, "mode": m}}
        for e in (1, 2)
        for m in ("direct", "cycle")
    ]
    found = find_sweeps(entries)
    assert [s.points for s in found] == [((1.0, "1 cycle"), (2.0, "2 cycle")), ((1.0, "1 direct"), (2.0, "2 direct"))]


def test_each_attacker_is_the_strongest_of_its_kind() -> None:
    rows = (
        utility("none", 0.98) + utility("weak", 0.97) + utility("strong", 0.9) + attack("a", 0.8, 0.8, knowledge="K0")
    )
    for defense, k0, k1 in (("weak", 0.5, 0.7), ("strong", 0.1, 0.6)):
        for name, less in (("a", 0.2), ("b", 0.0)):
            for level, value in (("K0", k0), ("K1", k1), ("K2", 0.05)):
                cell = f"{name}-{defense}-{level}"
                rows += attack(
                    name, value - less * value, value - less * value, defense=defense, knowledge=level, cell=cell
                )
        rows += attack("same-photo", 1.0, 1.0, defense=defense, fidelity="baseline", cell=f"c-{defense}")
    found = sweep_table(
        prepare(table(rows), 0.01),
        Sweep("n", "eps", ((0.5, "weak"), (2.0, "strong"))),
        ("made-up", "toy-a", "template"),
    )
    kept = found.set_index(["defense", "attacker"])
    assert kept["sar2"].to_dict() == pytest.approx(
        {("none", "any"): 0.8, ("weak", "oblivious"): 0.5, ("weak", "adaptive"): 0.7, ("strong", "oblivious"): 0.1,
         ("strong", "adaptive"): 0.6}
    )  # fmt: skip
    assert kept.loc[("strong", "adaptive"), "attack"] == "b (K1)"
    assert kept["accuracy"].to_list() == pytest.approx([0.98, 0.97, 0.97, 0.9, 0.9])
    assert (kept["sar2_hi"] - kept["sar2"]).to_list() == pytest.approx([0.1] * 5)


def test_the_figure_stands_on_the_page_with_its_twin(run: Path) -> None:
    stems = {path.stem for path in (run / "figures").glob("sweep*")}
    assert stems == {"sweep_made-up_toy-a_template_noise_eps"}
    (name,) = stems
    for ending, least in ((".png", 5000), (".pdf", 5000)):
        assert (run / "figures" / f"{name}{ending}").stat().st_size > least
    twin = pd.read_csv(run / "figures" / f"{name}.csv")
    assert twin["value"].dropna().tolist() == [0.25, 0.25, 0.5, 0.5, 1, 1]
    page = (run / "index.html").read_text()
    assert f"figures/{name}.png" in page
    assert "noise at several values of eps" in page


def test_a_sweep_without_results_is_left_out(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "run", Shape(2, 1, (0,), ("template",), pictures=False, victims=2), failures=False)
    content = json.loads((folder / "run.json").read_text())
    for resolved in ({"defenses": ENTRIES}, {"defenses": "nonsense"}, {"defenses": [3, None]}, "nonsense"):
        (folder / "run.json").write_text(json.dumps(content | {"resolved": resolved}))
        assert draw_sweeps(load_run(folder), tmp_path) == []
