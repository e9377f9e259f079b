"""A track from Python, with methods that stand in no file, and its rows as a data frame."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import faceleak
import pandas as pd
import pytest
import torch
from faceleak.bench.core import fileless
from faceleak.bench.core.registry import ATTACKS, DEFENSES
from faceleak.bench.report.boards import build_boards
from faceleak.bench.report.load import load_run
from systems import TOY_TRACK

ROOT = Path(faceleak.__file__).resolve().parent
QUICK, UTILITY = ROOT / "results" / "quick", ROOT / "results" / "utility"

CELL = """
import torch
import faceleak

SHADE = 0.5
def shade(): return SHADE

class PlainGrey(faceleak.Attack):
    "One shade."
    def _recover(self, leak, ids, index, context):
        return faceleak.Recovery(images=torch.full((len(ids), 3, 32, 32), shade()))

class Halved(faceleak.Defense):
    "Half of the coordinates are kept."
    def enroll(self, embeddings, secret):
        return embeddings[:, ::2]
    def probe(self, embeddings, secret):
        return self.enroll(embeddings, secret)
"""


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module without a file, as a notebook is."""
    module = ModuleType("notebook_of_a_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(CELL, vars(module))
    return module


@pytest.fixture
def track(tmp_path: Path) -> Path:
    file = tmp_path / "toy.toml"
    entries = '[[defenses]]\nname = "none"\nsurfaces = ["template"]\n[[attacks]]\nname = "mean-face"\nlabel = "mean"\n'
    file.write_text(TOY_TRACK + entries)
    return file


def test_classes_names_and_labels_side_by_side(notebook: ModuleType, track: Path, shared_store: Path) -> None:
    before = set(tempfile.gettempdir() and Path(tempfile.gettempdir()).iterdir())
    mode = torch.get_deterministic_debug_mode()
    rows = faceleak.benchmark(
        track, attacks=["mean", notebook.PlainGrey, ("grey", {})], defenses=[notebook.Halved], store=shared_store,
        only={"attack": "?*"},
    )  # fmt: skip
    assert set(rows["attack"]) == {"mean", "plain-grey", "grey"}
    assert set(rows["defense"]) == {"halved"}
    assert set(rows["status"]) <= {"ok", "refused", "absent"}
    values = rows.set_index(["attack", "metric", "judge", "fmr"])["value"].sort_index()
    pd.testing.assert_series_equal(values.loc["plain-grey", "psnr"], values.loc["grey", "psnr"])
    assert "plain-grey" not in ATTACKS.names(), "lent for the call"
    assert "halved" not in DEFENSES.names()
    assert torch.get_deterministic_debug_mode() == mode
    left = {path for path in set(Path(tempfile.gettempdir()).iterdir()) - before if "faceleak" in path.name}
    assert left == set()


def test_an_edited_cell_is_run_again_and_an_equal_one_is_not(
    notebook: ModuleType, track: Path, shared_store: Path, tmp_path: Path
) -> None:
    def shade(text: str) -> float:
        exec(CELL.replace("0.5", text), vars(notebook))
        rows = faceleak.benchmark(
            track, attacks=[notebook.PlainGrey], only={"attack": "plain-grey"}, out=tmp_path / "run", store=shared_store
        )
        return float(rows.loc[rows["metric"] == "psnr", "value"].iloc[-1])

    first = shade("0.5")
    (cell,) = (tmp_path / "run" / "cells").iterdir()
    stamp = (cell / "rows.json").stat().st_mtime_ns
    assert shade("0.5 # the same") == first
    assert (cell / "rows.json").stat().st_mtime_ns == stamp
    assert shade("0.9") != first, "a constant that a helper of the cell reads"


def test_a_cell_that_fails_is_a_row_and_a_warning(track: Path, shared_store: Path) -> None:
    class Broken(faceleak.Attack):
        def _recover(self, leak: Any, ids: Any, index: Any, context: Any) -> faceleak.Recovery:
            raise ValueError("no such luck")

    with pytest.warns(UserWarning, match="1 cell failed, the first with ValueError: no such luck"):
        rows = faceleak.benchmark(track, attacks=[Broken], only={"attack": "broken"}, store=shared_store)
    assert rows["status"].tolist() == ["failed"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"attacks": ["meen-face"]}, "No attack is called 'meen-face'; did you mean 'mean-face'"),
        ({"defenses": ["nun"]}, "No defense is called 'nun'"),
        ({"attacks": [7]}, "7 is no attack; give a name, a class"),
        ({"attacks": ["grey", "grey"]}, "occur twice"),
        ({"only": {"attak": "*"}}, "did you mean 'attack'"),
        ({"only": {"attack": "nobody"}}, "no cell of 'toy'"),
        ({"device": "tpu:x"}, "device 'tpu:x'"),
    ],
)
def test_what_does_not_fit_is_said(words: dict[str, Any], says: str, track: Path, shared_store: Path) -> None:
    with pytest.raises(faceleak.FaceleakError, match=says):
        faceleak.benchmark(track, store=shared_store, **words)


def test_a_class_may_not_take_the_name_of_another(track: Path, shared_store: Path) -> None:
    taken = type("MeanFace", (faceleak.Attack,), {"_recover": None})
    with pytest.raises(faceleak.RegistryError, match="'mean-face' is already registered"):
        faceleak.benchmark(track, attacks=[taken], store=shared_store)


def test_a_notebook_may_run_its_cell_again_and_nobody_else(own_registries: None) -> None:
    def made(module: str) -> type:
        return type("Twice", (faceleak.Attack,), {"__module__": module, "__qualname__": "Twice"})

    for _ in range(2):
        faceleak.register_attack("twice")(made("__main__"))
    with pytest.raises(faceleak.RegistryError, match="needs another name"):
        faceleak.register_attack("twice")(made("elsewhere"))


def test_the_hash_of_a_class_without_a_file_follows_its_code(notebook: ModuleType) -> None:
    first = fileless.fileless_hash(notebook.Halved)
    for text, same in ((CELL.replace("Half of", "One half of"), True), ("\n\n" + CELL, True),
                       (CELL.replace("::2", "::4"), False)):  # fmt: skip
        exec(text, vars(notebook))
        notebook.Halved.name = "registered"
        assert (fileless.fileless_hash(notebook.Halved) == first) is same


def test_results_have_the_types_that_their_columns_mean() -> None:
    rows = faceleak.load_results(QUICK)
    told = {name: str(rows[name].dtype) for name in ("seed", "n", "dirty", "higher_is_better", "value", "fmr")}
    assert told == {
        "seed": "Int64", "n": "Int64", "dirty": "boolean", "higher_is_better": "boolean", "value": "float64",
        "fmr": "float64",
    }  # fmt: skip
    assert rows["created"].dt.tz is not None
    assert rows["created"].notna().all()
    text = pd.read_csv(QUICK / "results.csv", dtype=str, keep_default_na=False)
    assert (rows["higher_is_better"].isna() == (text["higher_is_better"] == "")).all()
    assert (rows["judge"] == text["judge"]).all(), "text is never NaN"
    assert len(faceleak.load_results(str(QUICK / "results.csv"))) == len(text)


def test_boards_are_those_of_the_folder() -> None:
    board = faceleak.load_results(UTILITY, "attacks")
    run = load_run(UTILITY)
    assert list(board["attack"]) == list(build_boards(run.results, run.headline_fmr)["attacks"]["attack"])
    assert len(board) == len(pd.read_csv(UTILITY / "boards" / "attacks.csv"))
    assert str(board["n_cells"].dtype) == "Int64"
    with pytest.raises(faceleak.InputError, match="did you mean 'attacks'"):
        faceleak.load_results(UTILITY, "atacks")
    with pytest.raises(faceleak.FaceleakError, match="not a folder"):
        faceleak.load_results("nowhere")
