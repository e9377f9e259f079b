"""Several seeds on boards: the mean, an interval over people and seeds together, and the spread between seeds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.report.boards import build_boards
from faceleak.bench.report.comparisons import compare_run
from faceleak.bench.report.latex import write_tables
from faceleak.bench.report.load import load_run
from faceleak.bench.report.rows import prepare
from faceleak.bench.report.seeds import average
from faceleak.bench.report.summary import sentences

from .fixture_run import base_row
from .test_boards import attack, one, table
from .test_significance import FMR, run_of


@pytest.mark.parametrize("shared", [1.0, 0.25, 0.0])
def test_seeds_with_people_of_their_own_share_no_part_of_the_interval_but_that_of_the_same_people(
    shared: float,
) -> None:
    """By hand: people's part w = .1 (``attack``), seeds .2, .4, .6, so s = .2; d^2 = f w^2 + t^2 s^2 / 3."""
    rows = attack("a", 0.2, 0.2, seed=0) + attack("a", 0.4, 0.4, seed=1) + attack("a", 0.6, 0.6, seed=2)
    row = one(build_boards(table(rows), shared=shared)["defenses"])
    half = math.sqrt(shared * 0.1**2 + 4.302653**2 * 0.2**2 / 3)
    assert (row["sar2"], row["sar2_sd"]) == (pytest.approx(0.4), pytest.approx(0.2))
    assert (row["sar2_lo"], row["sar2_hi"]) == (pytest.approx(0.4 - half), pytest.approx(0.4 + half))
    assert (row["sar2_min"], row["sar2_max"], row["n_seeds"]) == (0.2, 0.6, 3)


def test_the_interval_over_seeds_holds_the_truth_with_people_shared_or_not() -> None:
    """Simulated: of S = 4 seeds with I = 50 victims each, a share f of them common to all, 95 % of intervals hold."""
    rng, runs, truth = np.random.default_rng(0), 400, 0.5
    for shared, seed_sd in ((0.0, 0.0), (0.0, 0.1), (0.5, 0.02), (1.0, 0.0), (1.0, 0.1)):
        common, own = round(50 * shared), 50 - round(50 * shared)
        victims = np.concatenate([
            np.broadcast_to(rng.normal(0, 0.5, (runs, 1, common)), (runs, 4, common)),
            rng.normal(0, 0.5, (runs, 4, own)),
        ], axis=2)  # fmt: skip
        values = truth + victims.mean(axis=2) + rng.normal(0, seed_sd, (runs, 4))
        half = 1.96 * 0.5 / math.sqrt(50)
        frame = pd.DataFrame({
            "run": np.repeat(np.arange(runs), 4), "seed": np.tile(np.arange(4), runs), "value": values.ravel(),
            "ci_lo": values.ravel() - half, "ci_hi": values.ravel() + half, "unit": "", "status": "ok",
            "split": "victims",
        })  # fmt: skip
        held = [stat.lo <= truth <= stat.hi for stat in average(frame, ["run", "split"], shared).values()]
        assert len(held) == runs
        assert np.mean(held) > 0.92, (shared, seed_sd)


def test_the_pairs_of_a_set_are_the_same_people_in_every_seed() -> None:
    rows = [base_row(metric="accuracy", value=0.9 + 0.01 * seed, ci_lo=0.8, ci_hi=1.0, seed=seed, split=split,
                     cell=f"{split}{seed}", defense=split)
            for seed in (0, 1) for split in ("pairs", "victims")]  # fmt: skip
    board = build_boards(table(rows), shared=0.0)["defenses"].set_index("defense")
    t = 12.7062 * math.sqrt(0.5) * 0.01 / math.sqrt(2)
    assert board.loc["victims", "accuracy_hi"] == pytest.approx(0.905 + t, rel=1e-4)
    assert board.loc["pairs", "accuracy_hi"] == pytest.approx(0.905 + math.hypot(0.095, t), rel=1e-4)


def test_one_seed_has_no_spread() -> None:
    boards = build_boards(table(attack("a", 0.2, 0.2)))
    assert not [name for name in ("defenses", "attacks", "matrix") if "sar2_sd" in boards[name]]


def test_comparisons_pair_within_a_seed_where_seeds_have_people_of_their_own(tmp_path: Path) -> None:
    """Of two seeds with 40 victims each, 20 the same: 60 people; the difference is the mean of the seeds' own."""
    folder = run_of(tmp_path / "run", {("none", "a"): 0.2, ("none", "b"): 0.1}, seeds=(0, 1))
    for kept in (folder / "cells").glob("*-1/scores.npz"):
        arrays = dict(np.load(kept))
        names = arrays["leaks/victims/identity"]
        np.savez(kept, **arrays | {"leaks/victims/identity": np.array([f"p{i + 20:02d}" for i in range(len(names))])})
    alike = _compared(folder)
    assert alike["n"].tolist() == [20], "as if all seeds had one set of people, only those in both"
    about = json.loads((folder / "run.json").read_text())
    about["protocol"]["seed_moves"] = ["splits"]
    (folder / "run.json").write_text(json.dumps(about))
    (row,) = _compared(folder).to_dict("records")
    assert (row["n"], row["n_seeds"]) == (60, 2)
    assert row["difference"] == pytest.approx(row["a_value"] - row["b_value"]), "the board's numbers, to the digit"
    assert row["difference_lo"] < row["difference"] < row["difference_hi"]


def test_tables_sentences_and_comparisons_show_mean_interval_and_spread(tmp_path: Path) -> None:
    run = load_run(run_of(tmp_path / "run", {("none", "a"): 0.2, ("none", "b"): 0.1, ("d", "a"): 0.1}, seeds=(0, 1)))
    compared = compare_run(run, prepare(run.results, FMR), [])
    boards = build_boards(run.results, FMR, compared=compared)
    scores = run.results[run.results["metric"] == "sar_type2"]
    values = scores.pivot(index="seed", columns=["defense", "attack"], values="value")
    own = (values["none", "a"] - values["none", "b"]).std(ddof=1)
    row = boards["significance"].query("kind == 'attacks' and a == 'a (K0)' and system == 'none'").iloc[0]
    assert row["difference_sd"] == pytest.approx(own)
    spread = 100 * values["none", "a"].std(ddof=1)
    (file,) = write_tables(boards["defenses"], run, tmp_path / "tables")
    text = file.read_text()
    assert "SAR Type-II & SD & Identity" in text
    assert "{llllllll}" in text
    assert f"]}} & {spread:.1f} & --" in text
    told = sentences(boards["defenses"], FMR)[0]
    assert f"(mean of 2 seeds, standard deviation {spread:.1f} points; 95 % interval" in told
    single = load_run(run_of(tmp_path / "one", {("none", "a"): 0.2, ("none", "b"): 0.1}))
    plain = build_boards(single.results, FMR, compared=compare_run(single, prepare(single.results, FMR), []))
    assert "difference_sd" not in plain["significance"]
    (file,) = write_tables(plain["defenses"], single, tmp_path / "single")
    assert "SAR Type-II & Identity" in file.read_text()


def _compared(folder: Path) -> pd.DataFrame:
    run = load_run(folder)
    return compare_run(run, prepare(run.results, FMR), [])
