"""What a seed moves: neither splits nor recognisers, unless told; and two seeds never share what differs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from faceleak.bench.core.errors import TrackError
from faceleak.bench.core.progress import Progress
from faceleak.bench.plan.cells import cells
from faceleak.bench.plan.track import Track, load_track, with_seeds
from faceleak.bench.prepare.session import Session
from faceleak.bench.record.results import SCORES
from faceleak.bench.report.boards import boards_of
from faceleak.bench.report.comparisons import compared_of
from faceleak.bench.report.load import load_run
from faceleak.bench.run.cell import cell_key, cell_recipe
from faceleak.bench.run.manifest import shared_share
from faceleak.bench.run.rerun import drawn, rerun, track_of
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from faceleak.bench.store.store import Store
from running import SMALL, TOYS, faceleak, stable

CPU = torch.device("cpu")
CELLS = "[[defenses]]\nname = 'none'\nsurfaces = ['template']\n[[attacks]]\nname = 'linear-ridge'\n"
LEARNT = 'type = "small-vgg"\nsettings = { size = 32, dim = 16, steps = 4, batch = 16 }'
# Ten people are left over in each seed; recogniser `a` is trained here, judge `b` brings its weights.
TRACK = SMALL.replace("[splits]", "[splits]\ntrain = { identities = 12, images = 4 }").replace('type = "toy-a"', LEARNT)
TRACK = (
    TRACK.replace("identities = 60", "identities = 92").replace("[protocol]", "[protocol]\nheadline_fmr = 0.1") + CELLS
)


def track(folder: Path, moves: str, seeds: tuple[int, ...] = (0, 1, 2)) -> Track:
    text = TRACK.replace("[protocol]", f"[protocol]\nseed_moves = {moves}") if moves else TRACK
    (folder / "t.toml").write_text(text)
    return with_seeds(load_track(str(folder / "t.toml")), seeds)


def session(folder: Path, moves: str) -> Session:
    return Session(track(folder, moves), Store(folder / "store"), CPU, Progress(quiet=True))


def weights(one: Session) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in one.recognizer("a").state_dict().values()])


def keys(one: Session) -> list[str]:
    return [cell_key(one, cell) for cell in cells(one.track)]


def test_by_default_a_seed_moves_neither(tmp_path: Path) -> None:
    one = session(tmp_path, "")
    assert one.of(1) is one
    recipe = cell_recipe(one, cells(one.track)[0])
    assert "seed_moves" not in recipe.of["protocol"]  # what keys were made of before there was this setting


@pytest.mark.parametrize("moves", ["['splits']", "['recognizers']", "['recognizers', 'splits']"])
def test_seed_0_is_the_track_without_the_setting(tmp_path: Path, moves: str) -> None:
    (tmp_path / "plain").mkdir()
    plain, moved = session(tmp_path / "plain", ""), session(tmp_path, moves)
    both = list(zip(cells(plain.track), keys(plain), keys(moved), strict=True))
    assert {cell.seed for cell, before, now in both if before == now} == {0}
    assert len({now for _, _, now in both}) == len(both)


def test_each_seed_has_other_people_of_the_same_pictures(tmp_path: Path) -> None:
    one = session(tmp_path, "['splits']")
    seeds = [one.of(seed) for seed in (0, 1, 2)]
    people = [set(seed.faces("victims").identities) for seed in seeds]
    assert len({frozenset(names) for names in people}) == 3
    for seed in seeds:
        by_split = [set(seed.faces(name).identities) for name in ("train", "public", "calibration", "victims")]
        assert sum(map(len, by_split)) == len(set().union(*by_split)), "no person stands in two splits of a seed"
    assert len({id(seed.dataset) for seed in seeds}) == 1, "decoded once"
    assert one.of(1).of(2) is seeds[2], "whoever is asked"
    assert not torch.equal(weights(seeds[1]), weights(seeds[2])), "its train people are others, so it learns anew"
    assert seeds[1].recognizer("b") is seeds[2].recognizer("b"), "it brings its weights"


def test_each_seed_trains_the_recognisers_of_the_tracks_own(tmp_path: Path) -> None:
    one = session(tmp_path, "['recognizers']")
    first, second = one.of(1), one.of(2)
    assert first.splits is second.splits
    assert not torch.equal(weights(first), weights(second))
    assert first.recognizer("b") is second.recognizer("b")
    trained, brought = ([seed.recognizers.recipe(alias).key for seed in (one, first, second)] for alias in ("a", "b"))
    assert (len(set(trained)), len(set(brought))) == (3, 1)
    made = [seed.embeddings_recipe("b", "victims").key for seed in (first, second)]
    assert made[0] == made[1]
    assert first.recognizers.fingerprint("a") != second.recognizers.fingerprint("a")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two seeds, and later of a third."""
    folder = tmp_path_factory.mktemp("seeds")
    for seeds in ((0, 1), (2,)):
        asked = track(folder, "['recognizers', 'splits']", seeds)
        done = run_track(asked, RunOptions(folder / "run", folder / "store", CPU, progress=Progress(quiet=True)))
        assert (done.done, done.failed) == (2 * len(seeds), 0)
    return folder / "run"


def test_seeds_add_up_and_every_number_is_found_again(finished: Path) -> None:
    run = load_run(finished)
    assert set(run.results["seed"]) == {0, 1, 2}
    rows = run.results[(run.results["metric"] == "cosine") & (run.results["split"] == "victims")]
    assert len(set(rows["value"])) == len(rows) == 6, "three seeds, two judges"
    assert len(run.results.groupby("recognizer")["weights_sha"].unique()["a"]) == 3
    assert verify_run(finished).clean
    splits = pd.read_csv(finished / "splits.csv")
    victims = splits[splits["split"] == "victims"].groupby("seed")["identity"].agg(frozenset)
    assert victims.nunique() == 3
    for seed, names in victims.items():
        (attacked,) = (cell.path for cell in run.cells if cell.seed == seed and cell.text("attack"))
        with np.load(attacked / SCORES) as kept:
            assert set(kept["leaks/victims/identity"]) == names, "the people of this seed, and nobody else, leaked"
    told = run.manifest["seeds"]
    share = {name: shared_share([*map(set, splits[splits["split"] == name].groupby("seed")["identity"].agg(set))])
             for name in ("victims", "calibration")}  # fmt: skip
    assert 0 < told["shared_people"] == max(share.values()) < 1
    assert set(told["by_seed"]) == {"0", "1", "2"}
    assert json.loads((finished / "run.json").read_text())["protocol"]["seed_moves"] == ["recognizers", "splits"]


def test_the_board_of_three_seeds_is_their_mean_with_their_spread(finished: Path) -> None:
    run = load_run(finished)
    (row,) = boards_of(run, compared_of(run, []))["defenses"].to_dict("records")
    rows = run.results[(run.results["metric"] == "sar_type2") & (run.results["split"] == "victims")]
    mine = rows[(rows["judge"] == row["judge"]) & (rows["fmr"] == run.headline_fmr)]
    values = mine["value"].to_numpy()
    assert row["n_seeds"] == len(values) == 3
    found = [row[name] for name in ("sar2", "sar2_min", "sar2_max", "sar2_sd")]
    assert found == pytest.approx([values.mean(), values.min(), values.max(), values.std(ddof=1)])
    apart = 4.302653 * values.std(ddof=1) / math.sqrt(3)
    common = math.sqrt(run.shared_people) * (mine["ci_hi"].mean() - values.mean())
    assert row["sar2_hi"] == pytest.approx(min(1.0, values.mean() + math.hypot(common, apart)))


def test_a_submitted_run_is_run_again_with_the_people_of_its_seed(finished: Path, tmp_path: Path) -> None:
    run = load_run(finished)
    asked = track_of(run)
    chosen = [cell for cell in drawn(run, asked, 1.0, 0) if cell.seed == 2 and not cell.attack]
    one = Session(asked, Store(tmp_path / "store"), CPU, Progress(quiet=True))
    try:
        assert rerun(run, one, chosen, tmp_path / "cells").clean
    finally:
        one.close()


def test_share_of_people_in_common() -> None:
    assert shared_share([{"a", "b"}]) == 1
    assert shared_share([{"a", "b"}, {"c", "d"}]) == 0
    assert shared_share([{"a", "b"}, {"b", "c"}, {"c", "d"}]) == pytest.approx(1 / 3)


def test_an_unknown_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="seed_moves"):
        track(tmp_path, "['attacks']")
    with pytest.raises(TrackError, match="stands there twice"):
        track(tmp_path, "['splits', 'splits']")


@pytest.mark.slow
def test_workers_give_each_seed_what_is_its_own(finished: Path, tmp_path: Path) -> None:
    track(tmp_path, "['recognizers', 'splits']")
    words = ["run", "t.toml", "--plugin", str(TOYS), "--out", str(tmp_path / "out"), "--no-report", "--threads", "1"]
    done = faceleak(*words, "--workers", "2", "--seeds", "0,1,2", store=tmp_path)
    assert done.returncode == 0, done.output  # type: ignore[attr-defined]
    mine, theirs = (stable(run / "results.csv") for run in (tmp_path / "out", finished))
    order = ["cell", "metric", "judge", "split", "fmr"]
    assert mine.sort_values(order).reset_index(drop=True).equals(theirs.sort_values(order).reset_index(drop=True))
