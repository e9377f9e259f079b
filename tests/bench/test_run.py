"""A whole run on toy faces: rows, failures, resuming after a kill, plug-in files, the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from faceleak.bench.cli.listing import listing
from faceleak.bench.cli.main import app
from faceleak.bench.core.errors import TrackError
from faceleak.bench.record.results import COLUMNS, read_results
from faceleak.bench.run.runner import parse_only
from running import TOYS, faceleak, stable
from systems import TOY_TRACK
from typer.testing import CliRunner, Result

CELLS = """
[[defenses]]
name = "none"
surfaces = ["template"]
[[defenses]]
name = "biohash"
[[attacks]]
name = "mean-face"
[[attacks]]
name = "nearest-public-face"
[[attacks]]
name = "other-photo"
[[attacks]]
name = "linear-ridge"
[[attacks]]
name = "decoder"
settings = { steps = 60, width = 16, batch = 32, student_steps = 15, feature_batch = 8 }
knowledge = ["K0"]
"""


def words(track: Path, out: Path) -> list[str]:
    return ["run", str(track), "--plugin", str(TOYS), "--out", str(out), "--threads", "1", "--no-report"]


def run(track: Path, out: Path, store: Path, wait: bool = True) -> subprocess.Popen[str]:
    return faceleak(*words(track, out), store=store, wait=wait)


def run_here(track: Path, out: Path, store: Path, *more: str) -> Result:
    """The command in this process, where a process of its own would show no more."""
    return CliRunner().invoke(app, [*words(track, out), "--store", str(store), *more])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "toy.toml").write_text(TOY_TRACK + CELLS)
    return folder


@pytest.fixture(scope="module")
def finished(place: Path) -> Path:
    """An uninterrupted run."""
    done = run_here(place / "toy.toml", place / "whole", place)
    assert done.exit_code == 0, done.output
    return place / "whole"


def test_results_have_the_schema_and_no_silent_holes(finished: Path) -> None:
    frame = read_results(finished / "results.csv")
    assert tuple(frame.columns) == COLUMNS
    assert (frame.loc[frame["status"] == "ok", "value"].notna()).all(), "a value, or a status that says why not"
    assert set(frame["status"]) <= {"ok", "absent", "refused"}
    few = frame[frame["status"] == "refused"]
    assert {(name[:3], why) for name, why in zip(few["metric"], few["ci_method"], strict=True)} <= {
        ("fd_", "fewer than 50 images")
    }
    absent = frame[frame["status"] == "absent"]
    assert set(absent["metric"]) <= {"lpips", "fid", "kid", "fid_floor", "kid_floor"}
    inside = frame[frame["ci_lo"].notna()]
    slack = 1e-6
    assert ((inside["ci_lo"] <= inside["value"] + slack) & (inside["value"] <= inside["ci_hi"] + slack)).all()


def test_the_ladder_is_in_order(finished: Path) -> None:
    frame = read_results(finished / "results.csv")
    rows = frame[(frame["metric"] == "sar_type2") & (frame["fmr"] == 0.1) & (frame["split"] == "victims")]
    sar = rows.set_index(["defense", "attack", "knowledge", "judge"])["value"]
    assert sar["none", "mean-face", "K0", "a"] < 0.2 < sar["none", "decoder", "K0", "a"]
    assert sar["none", "decoder", "K0", "a"] <= sar["none", "other-photo", "K0", "a"]
    assert sar["biohash", "linear-ridge", "K0", "a"] < 0.2, "oblivious: chance"
    assert sar["biohash", "linear-ridge", "K2", "a"] < 0.25, "own key: chance"
    assert sar["biohash", "linear-ridge", "K3", "a"] > 0.6, "stolen key: not"
    keyed = frame[frame["defense"] == "biohash"].set_index("metric")["value"]
    assert keyed["d_sys"] < keyed["d_sys_null"] + 0.1


def test_a_second_call_has_nothing_to_do(finished: Path, place: Path) -> None:
    before = (finished / "results.csv").read_bytes()
    again = run(place / "toy.toml", finished, place)
    assert "Nothing was left to do" in again.output  # type: ignore[attr-defined]
    assert again.spent < 15  # type: ignore[attr-defined]
    assert (finished / "results.csv").read_bytes() == before


@pytest.mark.slow
def test_killed_in_the_middle_it_resumes_to_the_same_board(finished: Path, place: Path, tmp_path: Path) -> None:
    """kill -9 with a store of its own, then once through: byte-identical but for times."""
    out = tmp_path / "killed"
    process = run(place / "toy.toml", out, tmp_path, wait=False)
    deadline = time.monotonic() + 120
    while len(list(out.glob("cells/*/state.json"))) < 4 and process.poll() is None:
        assert time.monotonic() < deadline, "the run makes no progress"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "results.csv").exists(), "killed before the end"
    assert len(list(out.glob("cells/*/state.json"))) >= 4
    done = run(place / "toy.toml", out, tmp_path)
    assert done.returncode == 0, done.output  # type: ignore[attr-defined]
    assert stable(out / "results.csv").equals(stable(finished / "results.csv"))


BROKEN = '''
"""Plug-ins that misbehave."""
import torch
from faceleak.attacks.base import Attack
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.registry import register_attack
from faceleak.bench.core.threat import RecognizerAccess, ThreatModel


@register_attack("crashes")
class Crashes(Attack):
    """Divides by zero."""

    def _recover(self, leak, ids, index, context):
        return 1 / 0


@register_attack("peeks")
class Peeks(Attack):
    """Asks for the recogniser without a grant."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)

    def _recover(self, leak, ids, index, context):
        return context.target.recognizer(leak)


@register_attack("over-budget")
class OverBudget(Attack):
    """Asks for one pair too many."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    uses_pairs = True

    def _fit(self, context):
        context.target.pairs(torch.arange(11))

    def _recover(self, leak, ids, index, context):
        return Recovery(torch.full((len(leak), 3, 32, 32), 0.5))


@register_attack("good-one")
class GoodOne(Attack):
    """Grey, from a file of its own."""

    def _recover(self, leak, ids, index, context):
        return Recovery(torch.full((len(leak), 3, 32, 32), 0.5))
'''


def test_what_goes_wrong_is_a_row_and_the_rest_goes_on(place: Path, tmp_path: Path, own_registries: None) -> None:
    plugin, track = tmp_path / "broken.py", tmp_path / "broken.toml"
    plugin.write_text(BROKEN)
    names = "".join(f"[[attacks]]\nname = '{n}'\n" for n in ("crashes", "peeks", "good-one"))
    names += "[[attacks]]\nname = 'over-budget'\npairs = 10\n"
    track.write_text(TOY_TRACK + "[[defenses]]\nname = 'none'\nsurfaces = ['template']\n" + names)
    done = run_here(track, tmp_path / "out", place, "--plugin", str(plugin))
    assert done.exit_code == 1, "a failed cell fails the command"
    frame = read_results(tmp_path / "out" / "results.csv").drop_duplicates(["attack"]).set_index("attack")["status"]
    expected = {"crashes": "failed", "peeks": "refused", "over-budget": "refused", "good-one": "ok"}
    assert {name: frame[name] for name in expected} == expected
    failures = pd.read_csv(tmp_path / "out" / "failures.csv").set_index("attack")
    assert failures["class"].to_dict() == {
        "crashes": "ZeroDivisionError", "peeks": "ThreatModelError", "over-budget": "BudgetError",
    }  # fmt: skip
    assert "white-box" in failures.loc["peeks", "message"]


def test_filters_leave_the_other_cells_alone(place: Path, tmp_path: Path) -> None:
    first = run_here(place / "toy.toml", tmp_path / "out", place, "--only", "attack=mean*", "--only", "defense=none")
    assert "1 cell run" in first.output
    second = run_here(place / "toy.toml", tmp_path / "out", place, "--only", "attack=other-photo", "--seeds", "0")
    assert second.exit_code == 0
    assert set(read_results(tmp_path / "out" / "results.csv")["attack"]) == {"mean-face", "other-photo"}
    state = json.loads((tmp_path / "out" / "run.json").read_text())["state"]
    assert state.startswith("partial: "), "some cells only: the page must not say finished"
    with pytest.raises(TrackError, match="did you mean 'attack'"):
        parse_only(["atack=x"])


def test_help_is_fast_and_lists_name_what_there_is(tmp_path: Path) -> None:
    times = []
    for _ in range(4):  # the best of four: other tests run beside this one
        helped = faceleak("--help", store=tmp_path)
        assert "run" in helped.output  # type: ignore[attr-defined]
        times.append(helped.spent)  # type: ignore[attr-defined]
    assert min(times) < 1.0, times
    assert "decoder-id" in faceleak("list", "attacks", store=tmp_path).output  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("attacks", "standard-ensemble"),
        ("defenses", "biohash"),
        ("datasets", "lfw"),
        ("recognizers", "onnx"),
        ("tracks", "quick"),
    ],
)
def test_lists_name_what_there_is(kind: str, name: str) -> None:
    assert name in listing(kind)
