"""Paired comparisons of a run: from kept scores to the matrix, and what ranks, bold numbers and two runs make of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.core.errors import InputError
from faceleak.bench.metrics.calibration import calibration
from faceleak.bench.metrics.hierarchical import shares_above
from faceleak.bench.record.results import Row, write_results
from faceleak.bench.report.boards import build_boards
from faceleak.bench.report.comparisons import compared_of
from faceleak.bench.report.fig_significance import draw_significance
from faceleak.bench.report.latex_significance import write_significance
from faceleak.bench.report.load import load_run
from faceleak.bench.report.significance import SIGNIFICANCE_COLUMNS, Place, Verdicts, read_table
from faceleak.bench.run.across import compare_runs

from .fixture_run import base_row

FMR, VICTIMS = 0.1, 40
_SCORES, _PAIR = np.random.default_rng(0).normal(0, 0.1, 3000).astype(np.float32), np.arange(3000)
KNOWN = calibration(_SCORES, _PAIR % 20, 20 + _PAIR // 20 % 30, [FMR])


def cell(folder: Path, defense: str, attack: str, gain: float, seed: int = 0, victims: int = VICTIMS) -> Row:
    """A cell that kept scores: every victim's own likeness, the same for all cells, and what the attack adds."""
    rng = np.random.default_rng(7)
    own = rng.normal(0.0, 0.1, (VICTIMS, 4))[:victims] + gain + 0.005 * seed
    threshold = KNOWN.threshold(FMR)
    assert threshold is not None
    key = f"{defense}-{attack}-{seed}"
    (folder / "cells" / key).mkdir(parents=True)
    leak = np.repeat(np.arange(victims), 4)
    kept = {f"toy-b/{name}": part for name, part in KNOWN.kept().items()}
    kept |= {"toy-b/victims/other": own.ravel(), "toy-b/victims/leak": leak}
    names = np.array([f"p{i:02d}" for i in range(victims)])
    np.savez(folder / "cells" / key / "scores.npz", **kept, **{"leaks/victims/identity": names})
    who = {"dataset": "made-up", "recognizer": "toy-a", "defense": defense, "attack": attack, "surface": "template",
           "knowledge": "K0", "seed": seed}  # fmt: skip
    (folder / "cells" / key / "state.json").write_text(json.dumps({"status": "ok", "cell": who}))
    value = float(shares_above(own.ravel(), leak, threshold.value)[1].mean())
    return base_row(**who, cell=key, metric="sar_type2", judge="toy-b", fmr=FMR, value=value, ci_lo=value - 0.2,
                    ci_hi=value + 0.2)  # fmt: skip


def run_of(folder: Path, gains: dict[tuple[str, str], float], seeds: tuple[int, ...] = (0,), **more: int) -> Path:
    rows = [cell(folder, *who, gain, seed, **more) for who, gain in gains.items() for seed in seeds]
    rows += [
        base_row(defense=name, metric="accuracy", value=0.9, cell=f"u-{name}") for name in {who[0] for who in gains}
    ]
    write_results(rows, folder / "results.csv")
    about = {"protocol": {"headline_fmr": FMR, "bootstrap": 300}}
    (folder / "run.json").write_text(json.dumps(about))
    return folder


GAINS = {("none", "strong"): 0.3, ("none", "same"): 0.3, ("none", "weak"): 0.1, ("kept", "strong"): 0.12,
         ("kept", "weak"): 0.0, ("alike", "strong"): 0.12}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("run"), GAINS)


def table_of(folder: Path) -> pd.DataFrame:
    found = compared_of(load_run(folder), [])
    assert found is not None
    return found


def test_what_differs_is_significant_and_ties_are_ties(folder: Path) -> None:
    table = table_of(folder)
    assert set(table.columns) == set(SIGNIFICANCE_COLUMNS)
    found = {(row.kind, row.system, row.a, row.b): row for row in table.itertuples()}
    assert set(found) == {
        ("attacks", "none", "same (K0)", "strong (K0)"), ("attacks", "none", "same (K0)", "weak (K0)"),
        ("attacks", "none", "strong (K0)", "weak (K0)"), ("attacks", "kept", "strong (K0)", "weak (K0)"),
        ("defenses", "", "alike", "kept"), ("defenses", "", "alike", "none"), ("defenses", "", "kept", "none"),
    }  # fmt: skip
    tie, proven = (found["attacks", "none", "same (K0)", other] for other in ("strong (K0)", "weak (K0)"))
    assert (tie.significant, tie.difference, tie.p_holm) == ("no", 0, 1)
    assert proven.significant == "yes"
    assert proven.difference == pytest.approx(proven.a_value - proven.b_value)
    assert proven.difference_lo > 0
    assert proven.p < proven.p_holm < 0.05
    assert found["defenses", "", "alike", "kept"].significant == "no"


def test_ranks_and_bold_follow_from_it_not_from_intervals(folder: Path) -> None:
    """Every interval of the rows overlaps every other; victim by victim the differences are plain."""
    run, compared = load_run(folder), table_of(folder)
    board = build_boards(run.results, FMR, compared=compared)
    ranks = board["defenses"].set_index("defense")["rank"].dropna().to_dict()
    assert ranks == {"alike": 1, "kept": 1}, "a tie is one rank"
    matrix = board["matrix"].query("judge == 'toy-b'").set_index(["defense", "attack"])["best"]
    assert [matrix["none", name] for name in ("strong", "same", "weak")] == ["yes", "yes", "no"]
    without = (
        build_boards(run.results, FMR)["matrix"].query("judge == 'toy-b'").set_index(["defense", "attack"])["best"]
    )
    assert without["none", "weak"] == "no", "intervals that do not touch"
    assert not Verdicts()
    assert Verdicts(compared).above(Place("made-up", "toy-a", "template", "defenses"), "none", "kept", (0, 1))


def test_seeds_widen_and_a_subset_of_victims_is_compared_with_its_own(tmp_path: Path) -> None:
    one = table_of(run_of(tmp_path / "one", {("none", "a"): 0.2, ("none", "b"): 0.1}))
    two = table_of(run_of(tmp_path / "two", {("none", "a"): 0.2, ("none", "b"): 0.1}, seeds=(0, 1, 2)))
    assert two["n_seeds"].tolist() == [3]
    assert one["n_seeds"].tolist() == [1]
    fewer = run_of(tmp_path / "few", {("none", "a"): 0.2}, victims=10)
    whole = compare_runs(tmp_path / "one", fewer)
    assert whole.table["n"].tolist() == [10]
    assert whole.table["verdict"].tolist() == ["tie"]
    assert whole.only[str(tmp_path / "one")] == ["toy-a / none / template / b (K0)"]


def test_two_runs_are_compared_victim_by_victim(folder: Path, tmp_path: Path) -> None:
    other = run_of(tmp_path / "other", {who: gain + 0.1 * (who[1] == "weak") for who, gain in GAINS.items()})
    found = compare_runs(folder, other)
    verdicts = found.table.set_index(["defense", "attack"])["verdict"].to_dict()
    assert {who for who, word in verdicts.items() if word != "tie"} == {("none", "weak"), ("kept", "weak")}
    assert "2 B is higher" in str(found)
    with pytest.raises(InputError, match="in common"):
        compare_runs(folder, run_of(tmp_path / "strange", {("else", "x"): 0.1}))


def test_it_is_written_drawn_and_read_back_where_no_scores_are(folder: Path, tmp_path: Path) -> None:
    run, table = load_run(folder), table_of(folder)
    (tmp_path / "tables").mkdir()
    texts = [file.read_text() for file in write_significance(table, run, tmp_path / "tables")]
    assert any("Holm over 4 comparisons" in text for text in texts), "those on the other systems count too"
    assert any(r"\textbf{$" in text for text in texts)
    assert any(r"\textcolor{gray}{$" in text for text in texts)
    made = draw_significance(table, FMR, tmp_path / "figures")
    assert {one.kind for one in made} == {"significance"}
    assert all((tmp_path / "figures" / f"{one.stem}.png").is_file() for one in made)
    table.to_csv(tmp_path / "significance.csv", index=False)
    assert read_table(tmp_path / "significance.csv")["significant"].tolist() == table["significant"].tolist()
    assert not len(read_table(tmp_path / "nothing.csv"))
