"""Keys follow from what a thing is made of: a store that has seen another track gives what an empty one gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from edited import edit
from faceleak.bench.core import code
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.progress import Progress
from faceleak.bench.plan.track import load_track
from faceleak.bench.record.results import TIMING_METRICS, VOLATILE, read_results
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.store.recipe import Recipe
from faceleak.bench.store.store import Store
from systems import TRAINED_TRACK

# Recognisers that bring their own weights: nothing but a defence's fit looks at the train split.
TRACK = (
    TRAINED_TRACK
    + """[[targets]]
recognizer = "mine"
judges = ["judge"]
[[defenses]]
name = "pca"
settings = { components = 6 }
[[attacks]]
name = "linear-ridge"
"""
)


def numbers(text: str, folder: Path, store: Path) -> pd.DataFrame:
    """What a run reports, without what may differ between two runs of the same thing."""
    folder.mkdir(exist_ok=True)
    (folder / "t.toml").write_text(text)
    options = RunOptions(folder / "run", store, torch.device("cpu"), progress=Progress(quiet=True))
    run_track(load_track(str(folder / "t.toml")), options)
    table = read_results(folder / "run" / "results.csv").drop(columns=[*VOLATILE, "cell"], errors="ignore")
    return table[~table["metric"].isin(TIMING_METRICS)].reset_index(drop=True)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A store that has seen the track, and what came out."""
    folder = tmp_path_factory.mktemp("seen")
    return folder / "store", numbers(TRACK, folder, folder / "store")


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("train = { identities = 12 }", "train = { identities = 16 }"),
        ("train = { identities = 12 }", "train = { identities = 12, images = 2 }"),
        ("resolution = 16", "resolution = 24"),
        ("components = 6", "components = 4"),
        ('type = "toy-a"', 'type = "toy-b"'),
        ("[splits]", "[splits]\nseed = 3"),
        ('name = "toy-faces"', 'name = "toy-faces"\nsettings = { noise = 0.2 }'),
    ],
)
def test_a_shared_store_gives_what_a_fresh_one_gives(
    seen: tuple[Path, pd.DataFrame], was: str, now: str, tmp_path: Path
) -> None:
    assert TRACK.count(was) == 1
    used, before = seen
    shared = shutil.copytree(used, tmp_path / "shared")
    other = TRACK.replace(was, now)
    fresh = numbers(other, tmp_path / "a", tmp_path / "fresh")
    pd.testing.assert_frame_equal(numbers(other, tmp_path / "b", shared), fresh)
    assert not fresh["value"].equals(before["value"]), "the clause decides something"


def test_an_edit_of_core_is_an_edit_of_the_numbers(
    seen: tuple[Path, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`faces.py` edited so that pictures stand on their heads: today's pictures are embedded, not the store's."""
    used, before = seen
    shared = shutil.copytree(used, tmp_path / "shared")
    edit(monkeypatch, Path(code.__file__).with_name("faces.py"))
    images = FaceSet.images
    monkeypatch.setattr(FaceSet, "images", lambda self, index: images(self, index).flip(-2))
    fresh = numbers(TRACK, tmp_path / "a", tmp_path / "fresh")
    pd.testing.assert_frame_equal(numbers(TRACK, tmp_path / "b", shared), fresh)
    assert not fresh["value"].equals(before["value"])


def test_a_recipe_is_known_by_its_ingredients_and_its_code(tmp_path: Path) -> None:
    flour = Recipe("flour", {"sort": 405}, "a")
    bread = Recipe("bread", {"flour": flour, "list": [flour]}, "b")
    assert bread.key == Recipe("bread", {"list": (flour,), "flour": Recipe("flour", {"sort": 405}, "a")}, "b").key
    for other in (
        Recipe("cake", bread.of, "b"),
        Recipe("bread", bread.of, "c"),
        Recipe("bread", {**bread.of, "flour": Recipe("flour", {"sort": 405}, "edited")}, "b"),
        Recipe("bread", {**bread.of, "flour": Recipe("flour", {"sort": 550}, "a")}, "b"),
    ):
        assert other.key != bread.key
    folder = Store(tmp_path).make(bread, lambda path: None)
    assert folder == tmp_path / "bread" / bread.key
    assert '"sort": 405' in (folder / "spec.json").read_text(), "whoever looks into the store can read it"
