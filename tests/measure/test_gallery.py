"""A gallery with further people: who fills it, ranks by brute force, rows that verify computes again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from faceleak.bench.core.errors import DataError, TrackError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.registry import MEASUREMENTS
from faceleak.bench.core.secrets import SecretSource
from faceleak.bench.leak.leaked import gallery_of, leaked_set
from faceleak.bench.measure.case import Case
from faceleak.bench.measure.parts import said
from faceleak.bench.measure.rows import Rules
from faceleak.bench.metrics.openset import open_set_threshold
from faceleak.bench.plan.cells import cells
from faceleak.bench.plan.track import load_track
from faceleak.bench.prepare.crowd import CROWD
from faceleak.bench.prepare.session import Session
from faceleak.bench.record.results import read_results
from faceleak.bench.report.build import build_report
from faceleak.bench.report.fig_gallery import gallery_table
from faceleak.bench.report.load import load_run
from faceleak.bench.run.cell import cell_key
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from faceleak.bench.store.store import Store
from measuring import attack_case, through_disk
from systems import TOY_TRACK

# The first 84 of the crowd are the track's own people, on the same photographs or on others.
CROWDED = """
[gallery]
distractors = { dataset = "crowd", sizes = [10, 60], fpirs = [0.4, 0.01] }
[datasets.crowd]
name = "toy-faces"
settings = { identities = 150, images = 6, noise = 0.07 }
[splits.overlap]
recognizer = "b"
cosine = 0.8
on_overlap = "drop"
"""
CELLS = "[[defenses]]\nname = 'none'\nsurfaces = ['template']\n[[attacks]]\nname = 'linear-ridge'\n"
TRACK = TOY_TRACK + CROWDED + CELLS


def session(folder: Path, text: str = TRACK) -> Session:
    (folder / "t.toml").write_text(text)
    return Session(load_track(str(folder / "t.toml")), Store(folder / "store"), torch.device("cpu"), Progress())


def case_of(made: Session) -> Case:
    attack = next(cell for cell in cells(made.track) if cell.attack)
    defense = made.defense(attack.defense, "a", 0)
    part = leaked_set(made, defense, attack, "victims", SecretSource.installation(0))
    return attack_case(made, attack, part, Recovery((0.7 * part.faces.images(part.index) + 0.1).clamp(0, 1)))


def test_nobody_of_the_crowd_is_a_victim_or_calibrates(tmp_path: Path) -> None:
    made = session(tmp_path)
    crowd = made.faces(CROWD)
    own = {*made.faces("victims").identities, *made.faces("calibration").identities}
    assert len(crowd) == crowd.n_identities == 60
    assert not own & set(crowd.identities), "who is alike, by face: on other photographs under the same name"
    smaller = session(tmp_path, TRACK.replace("[10, 60]", "[10, 20]")).faces(CROWD)
    assert smaller.samples == crowd.samples[:20], "a smaller gallery is the beginning of a larger one"
    with pytest.raises(DataError, match="asks for 100 people, 90 of 150 of 'toy-faces' are no victims"):
        session(tmp_path, TRACK.replace("[10, 60]", "[100]")).faces(CROWD)


def test_rows_are_those_of_a_brute_force(tmp_path: Path) -> None:
    case = case_of(session(tmp_path))
    one = MEASUREMENTS.get("gallery")()
    rows, _ = said(one, through_disk(one.observe(case)), Rules(case.protocol, 0))
    found = {(row["metric"], row["judge"]): row for row in rows}
    judge = next(judge for judge in case.judges if judge.name == "b")
    own = gallery_of(case.leaked.faces)
    labels = case.leaked.faces.labels.numpy()[own]
    victims = judge.embeddings("victims").numpy()[own].astype(np.float64)
    crowd, strangers = judge.embeddings(CROWD).numpy(), judge.embeddings("calibration").numpy()
    for further in (0, 10, 60):
        gallery = np.concatenate([victims, crowd[:further]])
        scores = judge.vectors(case.recovery).astype(np.float64) @ gallery.T
        mate = scores[np.arange(len(scores)), np.searchsorted(labels, case.owner)]
        rank = (scores >= mate[:, None] - 1e-12).sum(1)
        for k in (1, 5, 20):
            assert found[f"gallery_rank{k}_{further}", "b"]["value"] == pytest.approx((rank <= k).mean())
        assert found[f"gallery_chance_{further}", "b"]["value"] == 1 / len(gallery)
        best = (strangers.astype(np.float64) @ gallery.T).max(1)
        threshold = open_set_threshold(best, case.session.faces("calibration").labels.numpy(), 0.4)
        assert threshold is not None
        row = found[f"gallery_fnir_{further}_at_0.4", "b"]
        assert row["value"] == pytest.approx(1 - ((rank == 1) & (mate > threshold.value)).mean())
        assert row["threshold"] == pytest.approx(threshold.value)
        assert row["ci_lo"] <= row["value"] <= row["ci_hi"]
        low = found[f"gallery_fnir_{further}_at_0.01", "b"]
        assert (low["status"], low["ci_method"]) == ("refused", "too few false positives"), "180 searches"


def test_the_crowd_is_what_an_attacks_cells_are_made_from_and_tracks_without_one_keep_theirs(tmp_path: Path) -> None:
    def keys(text: str) -> dict[bool, str]:
        made = session(tmp_path, text)
        return {cell.attack is not None: cell_key(made, cell) for cell in cells(made.track)}

    first, other, without = keys(TRACK), keys(TRACK.replace("[10, 60]", "[10, 61]")), keys(TOY_TRACK + CELLS)
    assert first[True] != other[True]
    assert first[False] == other[False], "a system's numbers do not depend on it"
    assert "gallery" not in session(tmp_path, TOY_TRACK + CELLS).track.model_dump(exclude_none=True)
    assert without[True] != first[True]


def test_a_run_draws_the_curve_and_verifies(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(TRACK)
    options = RunOptions(tmp_path / "run", tmp_path / "store", torch.device("cpu"), command="faceleak run t.toml")
    assert run_track(load_track(str(tmp_path / "t.toml")), options).failed == 0
    assert verify_run(tmp_path / "run").clean
    rows = read_results(tmp_path / "run" / "results.csv")
    assert {"gallery_rank1_0", "gallery_rank1_10", "gallery_rank1_60"} <= set(rows["metric"])
    plain = rows[rows["metric"] == "rank1"].set_index("judge")["value"]
    again = rows[rows["metric"] == "gallery_rank1_0"].set_index("judge")["value"]
    assert again.to_dict() == plain.to_dict(), "without further people it is the rank of the victims' own gallery"
    table = gallery_table(load_run(tmp_path / "run"))
    assert sorted(set(table["people"])) == [30, 40, 90]
    build_report(tmp_path / "run")
    assert len(list((tmp_path / "run" / "figures").glob("success-vs-gallery*.png"))) == 1
    assert "gallery_rank1_60" in (tmp_path / "run" / "index.html").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"crowd", s', '"crwod", s', "no data set is called 'crwod'; did you mean 'crowd'"),
        ("[10, 60]", "[60, 10]", "sizes must ascend"),
        ("[10, 60]", "[]", "at least 1 item"),
        ("sizes =", "size =", "did you mean 'sizes'"),
        ("distractors =", "distractor =", "did you mean 'distractors'"),
        ("public = {", "public = { dataset = 'crowd',", "that split 'public' is of; take another"),
        ("[splits.overlap]\nrecognizer = \"b\"\ncosine = 0.8\non_overlap = \"drop\"\n", "", "may share people"),
    ],
)  # fmt: skip
def test_a_gallery_that_cannot_be_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(TRACK.replace(old, new))
    with pytest.raises(TrackError, match=message):
        load_track(str(tmp_path / "t.toml"))
