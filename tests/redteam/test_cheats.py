"""Plug-ins that cheat are refused or gain nothing; and they are real: where nothing holds them back, they win."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from faceleak.bench.core.registry import ATTACKS, load_plugin
from faceleak.bench.isolation.roots import VARIABLE
from faceleak.bench.plan.track import load_track
from faceleak.bench.record.results import TIMING_METRICS, VOLATILE, read_results
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak_plugin_toys import TOY_TRACK

CHEATS = Path(__file__).parent / "cheats.py"
NAMES = (
    "seed", "closures", "memory", "threat", "draws", "stash", "judge", "files", "folder", "parent", "letter",
    "words", "keep",
)  # fmt: skip
REFUSED = ("threat", "files", "folder", "parent", "letter", "words", "keep")


def track(store: Path, attacks: tuple[str, ...]) -> str:
    told = f'settings = {{ place = "{store}" }}\n'
    entries = "".join(f'[[attacks]]\nname = "{name}"\n' + told * name.startswith("cheat") for name in attacks)
    defense = '[[defenses]]\nname = "gaussian-noise"\nsettings = { relative_noise = 2.0 }\n'
    keyed = '[[defenses]]\nname = "biohash"\nattacks = ["cheat-fit", "cheat-copy"]\n'
    defense += keyed if "cheat-fit" in attacks else ""
    text = TOY_TRACK.replace("[protocol]\n", "[protocol]\ndraws = 2\n").replace(
        "selection_victims = 12", "selection_victims = 0"
    )
    return text + defense + entries


@pytest.fixture(scope="module")
def cheats() -> Iterator[None]:
    """The cheats are registered while this module's tests run."""
    ATTACKS.discover()
    before = dict(ATTACKS._items)
    load_plugin(CHEATS)
    yield
    ATTACKS._items = before
    del sys.modules["faceleak_plugin_cheats"]


def results(folder: Path, attacks: tuple[str, ...], *, root: str, in_process: bool) -> pd.DataFrame:
    (folder / "t.toml").write_text(track(folder / "store", attacks))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, root)
        patch.setenv("FACELEAK_IN_PROCESS", "1" if in_process else "")
        options = RunOptions(folder / "run", folder / "store", torch.device("cpu"))
        run_track(load_track(str(folder / "t.toml")), options)
    return read_results(folder / "run" / "results.csv")


@pytest.fixture(scope="module")
def isolated(cheats: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    folder = tmp_path_factory.mktemp("isolated")
    names = ("honest", *(f"cheat-{name}" for name in NAMES), "cheat-fit", "cheat-copy", "same-photo")
    return results(folder, names, root="", in_process=False), folder


@pytest.fixture(scope="module")
def bare(cheats: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    """As it was: the attack beside the harness, secrets from the seed."""
    folder = tmp_path_factory.mktemp("bare")
    names = ("honest", "cheat-closures", "cheat-memory", "cheat-threat", "cheat-judge")
    return results(folder, names, root="none", in_process=True), folder


def sar(rows: pd.DataFrame, attack: str) -> pd.Series:
    found = rows[
        (rows.attack == attack)
        & (rows.defense == "gaussian-noise")
        & (rows.metric == "sar_type2")
        & (rows.fmr == 0.01)
        & (rows.judge == "a")
    ]
    assert len(found) == 1, (attack, rows[rows.attack == attack][["metric", "status"]].drop_duplicates())
    return found.iloc[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_cheat_is_refused_or_gains_nothing(isolated: tuple[pd.DataFrame, Path], name: str) -> None:
    rows, _ = isolated
    own = rows[rows.attack == f"cheat-{name}"]
    assert len(own)
    if name in REFUSED:
        assert set(own.status) == {"refused"}, own[["status", "metric"]]
        return
    honest, cheat = sar(rows, "honest"), sar(rows, f"cheat-{name}")
    assert cheat["value"] <= honest["ci_hi"], (cheat["value"], honest["value"], honest["ci_hi"])


def test_nothing_is_learnt_of_a_stolen_key_in_a_fit_that_others_share(isolated: tuple[pd.DataFrame, Path]) -> None:
    rows, _ = isolated
    own = rows[(rows.attack == "cheat-fit") & (rows.defense == "biohash")]
    assert {"K1", "K3"} <= set(own.knowledge)
    assert set(own.status) == {"refused"}


def test_a_defense_s_copy_holds_no_recogniser_that_was_not_granted(isolated: tuple[pd.DataFrame, Path]) -> None:
    rows, _ = isolated
    own = rows[(rows.attack == "cheat-copy") & (rows.defense == "biohash")]
    assert set(own.knowledge) == {"K2"}
    assert set(own.status) == {"refused"}


def test_what_judges_is_what_it_was(isolated: tuple[pd.DataFrame, Path]) -> None:
    rows, _ = isolated
    photo = rows[(rows.attack == "same-photo") & (rows.metric == "sar_type1") & (rows.judge == "a")]
    assert (photo.value == 1).all()


def test_no_letter_was_left(isolated: tuple[pd.DataFrame, Path]) -> None:
    _, folder = isolated
    assert not (folder / "letter").exists()


@pytest.mark.parametrize("name", ["closures", "memory", "threat"])
def test_the_cheats_are_real(bare: tuple[pd.DataFrame, Path], name: str) -> None:
    """In the harness's process they get what they look for: the tests above have teeth."""
    rows, _ = bare
    if name == "threat":
        assert set(rows[rows.attack == "cheat-threat"].status) == {"ok"}
        return
    assert sar(rows, f"cheat-{name}")["value"] > sar(rows, "honest")["value"] + 0.1


def test_a_judge_that_was_written_into_fails_the_cell(bare: tuple[pd.DataFrame, Path]) -> None:
    _, folder = bare
    errors = pd.read_csv(folder / "run" / "failures.csv")
    assert "a plug-in wrote into them" in errors[errors.attack == "cheat-judge"].iloc[0].message


def test_rows_say_whether_the_attack_was_isolated(
    isolated: tuple[pd.DataFrame, Path], bare: tuple[pd.DataFrame, Path]
) -> None:
    for (rows, _), marked in ((isolated, False), (bare, True)):
        assert rows[rows.attack == "honest"]["flags"].str.contains("F19").all() == marked


def test_a_finished_run_publishes_its_root_and_another_store_has_another(isolated: tuple[pd.DataFrame, Path]) -> None:
    _, folder = isolated
    root = (folder / "store" / "secret_root").read_text().strip()
    assert len(bytes.fromhex(root)) == 32
    assert json.loads((folder / "run" / "secrets.json").read_text())["root"] == root


def test_either_process_gives_the_same_numbers(tmp_path: Path) -> None:
    """Trained and not, with queries, shared weights and draws: to the last digit."""
    entries = """
[[defenses]]
name = "gaussian-noise"
[[attacks]]
name = "random-public-face"
[[attacks]]
name = "decoder"
knowledge = ["K1"]
settings = { steps = 3, batch = 16, width = 16, student_steps = 2, feature_batch = 8 }
"""
    found = []
    for number, in_process in enumerate((False, True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "t.toml").write_text(TOY_TRACK.replace("[protocol]\n", "[protocol]\ndraws = 2\n") + entries)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FACELEAK_IN_PROCESS", "")
            options = RunOptions(folder / "run", folder / "store", torch.device("cpu"), in_process=in_process)
            run_track(load_track(str(folder / "t.toml")), options)
        frame = read_results(folder / "run" / "results.csv")
        frame = frame[~frame.metric.isin(TIMING_METRICS)].drop(columns=[*VOLATILE, "flags"])
        found.append(frame.reset_index(drop=True))
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_a_run_that_is_refused_leaves_nobody_behind_who_complains(tmp_path: Path) -> None:
    """The process that attacks are forked from is still importing then; its end is nobody's business."""
    text = TOY_TRACK.replace("victims = { identities = 30", "victims = { identities = 4000")
    text += '[[defenses]]\nname = "none"\nsurfaces = ["template"]\n[[attacks]]\nname = "mean-face"\n'
    (tmp_path / "t.toml").write_text(text)
    toys = Path(__file__).parent.parent / "toys.py"
    words = ("run", "t.toml", "--plugin", str(toys), "--store", "store", "--out", "run")
    command = [sys.executable, "-m", "faceleak", *words]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"FACELEAK_IN_PROCESS": ""}, capture_output=True, text=True, timeout=120
    )  # returns when the last one that could write has ended
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("faceleak: toy-faces: split 'victims' asks for 4000")
    assert "Traceback" not in done.stderr
