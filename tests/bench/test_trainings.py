"""How a defence's networks learnt is kept with its fit, and what was cut short gets no verdict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.training import TrainLog
from faceleak.bench.measure.evidence import tail
from faceleak.bench.measure.rows import Rules
from faceleak.bench.measure.verification import Verification
from faceleak.bench.plan.track import Protocol, Track, load_track
from faceleak.bench.prepare.session import Session
from faceleak.bench.record.results import read_results
from faceleak.bench.report.boards import build_boards
from faceleak.bench.report.fig_loss import draw_losses, read_losses
from faceleak.bench.report.load import load_run
from faceleak.bench.report.page import render_page
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.store.store import Store
from faceleak.defenses.composition import compose
from faceleak.defenses.duetface import DuetFace
from faceleak.defenses.quantise import Quantise
from systems import TRAINED_TRACK

CPU = torch.device("cpu")
TRACK = (
    TRAINED_TRACK
    + """[[targets]]
recognizer = "mine"
judges = []
[[defenses]]
name = "duetface"
settings = { side = 16, client_steps = 4, server_steps = 8, server_batch = 9 }
[[attacks]]
name = "grey"
"""
)


def track(folder: Path, text: str = TRACK) -> Track:
    (folder / "t.toml").write_text(text)
    return load_track(str(folder / "t.toml"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A run of one defence that learns for half an epoch and one, and its utility rows."""
    folder = tmp_path_factory.mktemp("ran")
    options = RunOptions(folder / "run", folder / "store", CPU, progress=Progress(quiet=True))
    run_track(track(folder), options)
    rows = read_results(folder / "run" / "results.csv")
    return folder, rows[rows["attack"] == ""]


def test_a_defence_that_was_cut_short_is_flagged_in_place_of_utility_collapse(ran: tuple[Path, pd.DataFrame]) -> None:
    folder, rows = ran
    assert set(rows["flags"]) == {"F17,F19"}  # F19: tests let it learn beside the harness
    assert float(rows.set_index("metric").loc["train_epochs", "value"]) == pytest.approx(4 * 9 / 72)
    (cell,) = (path for path in (folder / "run" / "cells").iterdir() if path.name == rows["cell"].iloc[0])
    (told,) = (f for f in json.loads((cell / "state.json").read_text())["flags"] if f["flag"] == "F17")
    assert "client 0.5 of 5 epochs; " in told["message"]
    assert "server 1 of 5 epochs" in told["message"]
    assert len(pd.read_csv(cell / "loss.csv")) == 8, "the server's curve"
    run = load_run(folder / "run")
    (made,) = draw_losses(read_losses(run.cells, []), folder)
    assert (made.kind, made.surface) == ("training", "")
    assert made.stem.startswith("loss-defenses")
    assert "F17" in made.caption
    page = render_page(run, build_boards(run.results, 0.1), [made], [])
    assert f"figures/{made.stem}" in page.partition('<section id="verification">')[2]
    assert "Not trained out" in page


def test_where_no_epochs_are_asked_for_the_verdict_is_given(ran: tuple[Path, pd.DataFrame]) -> None:
    folder, _ = ran
    easy = track(folder, TRACK.replace("bootstrap = 100", "bootstrap = 100\nleast_epochs = 0"))
    run_track(easy, RunOptions(folder / "easy", folder / "store", CPU, progress=Progress(quiet=True)))
    rows = read_results(folder / "easy" / "results.csv")
    assert set(rows.loc[rows["attack"] == "", "flags"]) == {"F19"}


def test_utility_collapse_is_said_of_what_was_trained_out_only() -> None:
    """Pairs that the defended system tells apart no better than a coin, the undefended one always."""
    same = np.arange(40) % 2 == 0
    kept = {
        "pairs": np.random.default_rng(0).normal(size=40), "pairs_plain": same.astype(float), "pairs_same": same,
        "pairs_fold": np.arange(40) // 4, "reported": np.array(np.nan), "unreadable": np.array(0),
        "deployed": np.array(True),
    }  # fmt: skip
    rules = Rules(Protocol(), 0)
    kept |= tail(np.linspace(0, 1, 5000), (np.arange(5000) % 70, 70 + np.arange(5000) // 70), rules.protocol.fmrs)
    for epochs, raised in ((4.9, []), (5.0, ["F7"])):
        learnt = {"epochs/server": np.array(epochs), "falling/server": np.array(0.0)}
        assert [f["flag"] for f in Verification().flags(kept | learnt, rules) if f["flag"] != "F6"] == raised
    assert "F7" in [f["flag"] for f in Verification().flags(kept, rules)], "nothing of it was trained"


def test_the_log_is_read_back_with_the_fit(ran: tuple[Path, pd.DataFrame]) -> None:
    """A process that fits nothing knows it too."""
    folder, _ = ran
    easy = track(folder)
    session = Session(easy, Store(folder / "store"), CPU, Progress(quiet=True))
    system = session.defense(easy.defenses[0], "mine", 0)
    assert system.trainings() == {}, "it was loaded"
    logs = session.systems.trainings(system)
    assert {what: (len(log.losses), log.epochs) for what, log in logs.items()} == {"client": (4, 0.5), "server": (8, 1)}
    assert session.systems.trainings(session.undefended("mine")) == {}


def test_parts_of_a_composition_answer_for_themselves() -> None:
    both = compose(DuetFace(), Quantise())
    assert both.trainings() == {}
    both.first.log = TrainLog([1.0], 2.0)
    assert both.trainings() == {"duetface server": both.first.log}
