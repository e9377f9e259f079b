"""ROC, DET and score histograms: what is plotted is what the scores say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faceleak.bench.report import make_report
from faceleak.bench.report.fig_roc import curve
from faceleak.bench.report.fig_scores import histogram
from faceleak.bench.report.load import load_run
from faceleak.bench.report.verification import Scores, read_scores

from .fixture_run import Shape, build_run

SHAPE = Shape(n_defenses=3, n_attacks=1, seeds=(0,), surfaces=("template",), pictures=False, scores=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_run(tmp_path_factory.mktemp("verification") / "run", SHAPE)
    make_report(folder)
    return folder


def scores(genuine: list[float], impostor: list[float]) -> Scores:
    return Scores("d", "r", "x", np.array(genuine), np.array(impostor), 0.5)


def test_the_curve_counts_pairs_above_each_threshold() -> None:
    part = scores([0.9, 0.8, 0.4], [0.5, 0.3, 0.2, 0.1])
    found = curve(part).set_index("threshold")
    for threshold, row in found.iterrows():
        assert row["tar"] == pytest.approx((part.genuine > threshold).mean())
        assert row["fmr"] == pytest.approx((part.impostor > threshold).mean())
    assert (found["tar"] + found["fnmr"]).to_list() == pytest.approx([1.0] * len(found))
    assert (found.loc[0.3, "fmr"], found.loc[0.3, "tar"]) == (0.25, 1)


def test_histograms_hold_every_pair_once_and_failures_in_no_bin() -> None:
    found = histogram(scores([0.9, 0.8, -np.inf, 0.4], [0.5, 0.3]))
    assert found["genuine"].sum() == pytest.approx(0.75)
    assert found["impostor"].sum() == pytest.approx(1)
    assert (found["lo"].iloc[1:].to_numpy() == found["hi"].iloc[:-1].to_numpy()).all()


def test_the_figures_stand_on_the_page_with_their_twins(run: Path) -> None:
    page = (run / "index.html").read_text()
    assert 'id="verification"' in page
    for kind in ("roc", "scores"):
        name = f"{kind}_made-up_toy-a"
        assert f"figures/{name}.png" in page
        twin = pd.read_csv(run / "figures" / f"{name}.csv")
        assert twin["defense"].unique().tolist() == ["none", "biohash", "gaussian-noise"]
    assert (twin["threshold"] == 0.3).all()


def test_every_font_is_embedded_as_truetype(run: Path) -> None:
    files = sorted((run / "figures").glob("*.pdf"))
    assert len(files) >= 6
    for file in files:
        content = file.read_bytes()
        assert b"/FontFile2" in content, file.name
        assert b"/Type3" not in content, file.name


def test_broken_scores_become_a_sentence(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "run", SHAPE)
    (folder / "cells" / "u-none" / "measure-verification.npz").write_bytes(b"no archive")
    np.savez(folder / "cells" / "u-biohash" / "measure-verification.npz", genuine=np.zeros(2))
    problems: list[str] = []
    assert [part.defense for part in read_scores(load_run(folder), problems)] == ["gaussian-noise"]
    assert len(problems) == 2
    assert "cells/u-none/measure-verification.npz cannot be read" in " ".join(problems)
