"""A track of several data sets: the adversary's people are not the victims', and systems are tested elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from faceleak.bench.core.errors import DataError, TrackError
from faceleak.bench.core.progress import Progress
from faceleak.bench.plan.cells import cells
from faceleak.bench.plan.track import load_track
from faceleak.bench.prepare.overlap import Likeness
from faceleak.bench.prepare.session import Session
from faceleak.bench.record.results import read_results
from faceleak.bench.run.cell import cell_key
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from faceleak.bench.store.store import Store
from systems import TOY_TRACK

CELLS = "[[defenses]]\nname = 'none'\nsurfaces = ['template']\n[[attacks]]\nname = 'linear-ridge'\n"
# The first 84 people of `more` are those of the track's own set, on other photographs; 36 are nobody else.
MORE = """
[datasets.more]
name = "toy-faces"
settings = { identities = 120, images = 5, noise = 0.07 }
[splits.overlap]
recognizer = "b"
cosine = 0.8
on_overlap = "drop"
"""
OWN = "public = { identities = 24, images = 6 }"
SEVERAL = TOY_TRACK.replace(OWN, "public = { dataset = 'more' }") + MORE + CELLS
TEST = """
[[tests]]
dataset = "paired"
label = "toy pairs"
[datasets.paired]
name = "toy-pairs"
settings = { identities = 30, images = 4, noise = 0.2 }
"""


def session(folder: Path, text: str) -> Session:
    (folder / "t.toml").write_text(text)
    return Session(load_track(str(folder / "t.toml")), Store(folder / "store"), torch.device("cpu"), Progress())


def test_each_seed_keeps_its_own_people_apart_from_those_of_the_other_set(tmp_path: Path) -> None:
    text = SEVERAL.replace("[protocol]", "[protocol]\nseed_moves = ['splits']")
    text = text.replace("victims = { identities = 30,", "victims = { identities = 15,")
    made = session(tmp_path, text.replace("calibration = { identities = 30,", "calibration = { identities = 15,"))
    taken = []
    for one in (made.of(seed) for seed in (0, 1)):
        public = {name.removeprefix("more/") for name in one.faces("public").identities}
        kept = {*one.faces("victims").identities, *one.faces("calibration").identities}
        assert not public & kept
        assert one.dataset is made.dataset
        taken.append(public)
    assert taken[0] != taken[1]
    assert made.of(0).pictures.other("more") is made.of(1).pictures.other("more")


def test_who_stands_in_both_sets_is_left_out_of_the_adversarys(tmp_path: Path) -> None:
    made = session(tmp_path, SEVERAL)
    public = {name.removeprefix("more/") for name in made.faces("public").identities}
    kept = {*made.faces("victims").identities, *made.faces("calibration").identities}
    assert not public & kept, "the same people on other photographs, whatever they are called"
    assert len(public) == 120 - len(kept), "and nobody else"
    told = {one.other: one for one in made.pictures.alike if one.part == "public"}
    assert {name: one.alike for name, one in told.items()} == {"victims": 30, "calibration": 30}
    assert max(one.highest_kept for one in told.values()) < 0.8
    assert "30 of 120 people of public looked like one of victims" in " ".join(made.pictures.caveats())


def test_or_the_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"of 120 people of public look like somebody of .* to 'b'"):
        session(tmp_path, SEVERAL.replace('"drop"', '"refuse"')).faces("public")


def test_a_second_set_and_who_measured_it_are_what_cells_are_made_from(tmp_path: Path) -> None:
    def keys(text: str) -> set[str]:
        made = session(tmp_path, text)
        return {cell_key(made, cell) for cell in cells(made.track)}

    found = [keys(SEVERAL), keys(SEVERAL.replace("0.8", "0.81")), keys(SEVERAL.replace("images = 5", "images = 4"))]
    found.append(keys(SEVERAL.replace('recognizer = "b"', 'recognizer = "a"')))
    assert len(set.union(*found)) == sum(map(len, found)), "no key twice"
    assert keys(SEVERAL) == found[0]


def test_an_equal_store_gives_equal_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = session(tmp_path, SEVERAL).faces("public").sha
    monkeypatch.setattr(Likeness, "_means", None)  # what was measured once is read
    assert session(tmp_path, SEVERAL).faces("public").sha == first


def test_a_run_says_whose_pictures_were_whose(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(SEVERAL + TEST)
    options = RunOptions(tmp_path / "run", tmp_path / "store", torch.device("cpu"), command="faceleak run t.toml")
    assert run_track(load_track(str(tmp_path / "t.toml")), options).failed == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert set(manifest["datasets"]) == {"toy-faces", "more", "paired"}
    assert manifest["datasets"]["more"]["splits"]["public"]["identities"] == 60
    assert {one["alike"] for one in manifest["overlap"]} == {30}
    rows = read_results(tmp_path / "run" / "results.csv")
    tested = rows[rows["metric"] == "test_accuracy_toy pairs"]
    assert (tested["split"].tolist(), tested["value"].between(0.5, 1).all()) == (["test"], True)
    assert verify_run(tmp_path / "run").clean


def test_mirrored_pictures_belong_to_the_same_people(tmp_path: Path) -> None:
    faces = session(tmp_path, TOY_TRACK + CELLS).faces("victims")
    mirrored, index = faces.mirrored(), torch.arange(3)
    assert torch.equal(mirrored.images(index), faces.images(index).flip(3))
    assert mirrored.identities == faces.identities
    assert mirrored.sha != faces.sha


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("dataset = 'more'", "dataset = 'moer'"), "is called 'moer'; did you mean 'more'"),
        (lambda t: t.replace(MORE, MORE[: MORE.index("[splits")]), "share people under other names; add"),
        (lambda t: t.replace('recognizer = "b"', 'recognizer = "c"'), "no recognizer is called 'c'"),
        (lambda t: t.replace("victims = {", "victims = { dataset = 'more',"), "'victims' is of the track's own"),
        (lambda t: t.replace("dataset = 'more'", ""), "data set 'more' is used by no split, no test and no gallery"),
        (lambda t: t.replace("cosine = 0.8", "cosines = 0.8"), "did you mean 'cosine'"),
        (lambda t: t + "[[tests]]\ndataset = 'x'\n", "test 'x': no data set is called 'x'"),
        (lambda t: t.replace("[splits]", "[splits]\ntrain = { dataset = 'more' }") + "[[tests]]\ndataset = 'more'\n",
         "'more' that is trained on"),
    ],
)  # fmt: skip
def test_roles_that_cannot_be_parted_are_one_sentence(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "t.toml").write_text(change(SEVERAL))
    with pytest.raises(TrackError, match=message):
        load_track(str(tmp_path / "t.toml"))


def test_what_tests_is_not_trained_on(tmp_path: Path) -> None:
    """The toy pairs are the first hundred people of `more`, of whom 84 are the victims' set: twenty are left."""
    train = SEVERAL.replace(
        "[splits]", "[splits]\non_duplicate = 'drop'\ntrain = { dataset = 'more', identities = 90 }", 1
    )
    train = train.replace("public = { dataset = 'more' }", OWN)
    clear = TEST.replace("identities = 30", "identities = 100").replace("noise = 0.2", "noise = 0.07")
    made = session(tmp_path, train + clear)
    trained = {name.removeprefix("more/") for name in made.faces("train").identities}
    tested = set(made.pictures.test("toy pairs")[0].identities)
    assert len(tested) == 100
    assert {int(name[1:]) >= 100 for name in trained} == {True}
    assert not trained & tested
