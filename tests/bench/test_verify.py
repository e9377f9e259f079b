"""A run's numbers come out of its scores, and a number that does not is found and named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from faceleak.bench.cli.main import app
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.registry import MEASUREMENTS
from faceleak.bench.plan.track import load_track
from faceleak.bench.record.results import read_results
from faceleak.bench.report import RunFolderError
from faceleak.bench.run.compare import same_number
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import Verdict, verify_run
from systems import TOY_TRACK
from typer.testing import CliRunner

TOYS = Path(__file__).parent.parent / "toys.py"
# A deployment secret (scores between keys), an attack with pictures, one that only hands back an embedding.
CELLS = """
[[defenses]]
name = "biohash"
surfaces = ["template"]
[[defenses]]
name = "none"
surfaces = ["template"]
[[attacks]]
name = "nearest-public-face"
knowledge = ["K0", "K1"]
[[attacks]]
name = "linear-ridge"
knowledge = ["K0", "K3"]
[[attacks]]
name = "identity-extraction"
knowledge = ["K0"]
settings = { vector_steps = 20 }
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    (folder / "t.toml").write_text(TOY_TRACK.replace("pictures = 2", "pictures = 2\nrandom_vectors = 6") + CELLS)
    options = RunOptions(folder / "run", folder / "store", torch.device("cpu"), command="faceleak run t.toml")
    assert run_track(load_track(str(folder / "t.toml")), options).failed == 0
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def spoil(run: Path, metric: str, column: str, factor: float) -> pd.Series:
    """Change one number of results.csv; returns the row as it was."""
    frame = pd.read_csv(run / "results.csv", dtype=str, keep_default_na=False)
    place = frame.index[(frame["metric"] == metric) & ~frame[column].isin(["", "0"])][0]
    before = frame.loc[place].copy()
    frame.loc[place, column] = f"{float(frame.loc[place, column]) * factor:.6g}"
    frame.to_csv(run / "results.csv", index=False)
    return before


def test_a_clean_run_verifies_and_says_what_it_left_out(finished: Path) -> None:
    verdict = verify_run(finished)
    assert verdict.clean, str(verdict)
    frame = read_results(finished / "results.csv")
    frame = frame[frame["status"].isin(["ok", "refused"])]
    counted = frame[~frame["metric"].isin(list(verdict.without_scores))]
    assert (verdict.cells, verdict.rows) == (frame["cell"].nunique(), len(counted))
    assert {"sar_type1", "sar_type2", "cosine", "rank1", "rank1_lift", "rank1_shuffled", "rank1pct",
            "rank5_risk_ratio", "rank5_mean_face", "rank5_random_vector", "psnr", "ssim", "accuracy",
            "accuracy_undefended_difference", "eer", "tar", "d_sys", "d_sys_null", "max_linkability",
            "renewability_fmr", "renewability_ks"} <= set(counted["metric"])  # fmt: skip
    frame = frame[frame["status"] == "ok"]
    assert {"lpips", "protect_ms", "leak_bytes", "peak_memory_mb", "key_bits"} & set(frame["metric"])
    assert not verdict.without_scores, "every number follows from what was kept"


@pytest.mark.parametrize(
    ("metric", "column"),
    [("sar_type2", "ci_hi"), ("rank1", "value"), ("tar", "threshold"), ("d_sys_null", "value"), ("psnr", "n")],
)
def test_one_altered_number_is_found_and_named(run: Path, metric: str, column: str) -> None:
    row = spoil(run, metric, column, 1.001)
    (found,) = verify_run(run).differences
    assert (found.cell, found.key.metric, found.column) == (row["cell"], metric, column)
    assert found.recomputed == pytest.approx(float(row[column]), rel=1e-5)


def test_the_command_names_the_number_and_fails(run: Path) -> None:
    row = spoil(run, "accuracy", "value", 0.99)
    done = CliRunner().invoke(app, ["verify", str(run)])
    assert done.exit_code == 1
    assert f"{row['cell']}  accuracy, victims: value" in done.output
    assert f"recomputed {row['value']}" in done.output


def test_a_row_that_was_taken_away_is_found(run: Path) -> None:
    frame = pd.read_csv(run / "results.csv", dtype=str, keep_default_na=False)
    gone = frame.index[frame["metric"] == "rank5"][0]
    frame.drop(index=gone).to_csv(run / "results.csv", index=False)
    verdict = verify_run(run)
    assert {(d.key.metric, d.cell) for d in verdict.differences} == {("rank5", frame.loc[gone, "cell"])}
    assert "written nothing" in str(verdict)


def test_rows_of_the_leaked_photographs_cannot_be_taken_away_either(run: Path) -> None:
    """Nor can their scores, whatever the table says."""
    frame = pd.read_csv(run / "results.csv", dtype=str, keep_default_na=False)
    cell = frame.loc[frame["metric"] == "cosine", "cell"].iloc[0]
    frame[(frame["cell"] != cell) | (frame["metric"] != "cosine")].to_csv(run / "results.csv", index=False)
    assert {(found.key.metric, found.cell) for found in verify_run(run).differences} == {("cosine", cell)}
    (run / "cells" / cell / "scores.npz").unlink()
    assert verify_run(run).gaps == {cell: "missing: scores.npz"}


def whole_cell(t: pd.DataFrame) -> pd.DataFrame:
    return t[t["cell"] != t.loc[t["metric"] == "sar_type2", "cell"].iloc[0]]


def every_cell_but_one(t: pd.DataFrame) -> pd.DataFrame:
    return t[t["cell"] == t["cell"].iloc[0]]


def row_taken_away(t: pd.DataFrame) -> pd.DataFrame:
    return t.drop(index=t.index[t["metric"] == "leak_bytes"][0])


def doubled(t: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([t, t[t["metric"] == "sar_type2"].head(1)])


def added(t: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([t, t[t["metric"] == "sar_type2"].head(1).assign(metric="sar_type3", value="0.1")])


def added_cell(t: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([t, t[t["cell"] == t["cell"].iloc[0]].assign(cell="0" * 20, attack="our-attack")])


def renamed(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(defense=t["defense"].replace("biohash", "our-method"))


def flags_emptied(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(flags="")


def another_number(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(value=t["value"].where(t["metric"] != "leak_bytes", "0.123"))


def another_unit(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(unit=t["unit"].where(t["metric"] != "psnr", "percent"))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (whole_cell, r"none of its \d+ rows is in results.csv \(a / "),
        (every_cell_but_one, r"none of its \d+ rows"),
        (row_taken_away, r"leak_bytes, \w+, victims: value: written nothing, recomputed"),
        (doubled, r"sar_type2 .*: a row that the cell has not, a second time"),
        (added, r"sar_type3 .*: a row that the cell has not"),
        (added_cell, r"0{20}  no such cell has ended in this run"),
        (renamed, r"defense: written our-method, the cell says biohash \(\d+ rows\)"),
        (flags_emptied, r"flags: written nothing, the cell says F"),
        (another_number, r"leak_bytes, wire, victims: value: written 0.123, recomputed"),
        (another_unit, r"psnr.*: unit: written percent, the cell says dB"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_what_the_cells_kept_is_found(
    run: Path, edit: Callable[[pd.DataFrame], pd.DataFrame], says: str
) -> None:
    edit(pd.read_csv(run / "results.csv", dtype=str, keep_default_na=False)).to_csv(run / "results.csv", index=False)
    verdict = verify_run(run)
    assert not verdict.clean
    assert re.search(says, str(verdict)), str(verdict)


@pytest.mark.parametrize("text", ["", "header", "gone"])
def test_an_empty_table_is_not_a_clean_one(run: Path, text: str) -> None:
    table = run / "results.csv"
    header = table.read_text().splitlines()[0] + "\n"
    table.unlink()
    if text != "gone":
        table.write_text(header if text == "header" else "")
    verdict = verify_run(run)
    assert not verdict.clean
    assert len(verdict.discords) == len(list((run / "cells").iterdir()))


def test_what_another_processor_leaves_of_nothing_is_nothing() -> None:
    assert same_number(0.0, 2.22045e-16), "a Frechet distance of equal sets, by other kernels"
    assert same_number(0.123456, 0.1234561)
    assert not same_number(0.0, 1e-6)
    assert not same_number(0.5, 0.50001)
    assert not same_number(float("nan"), 0.0)


def test_nothing_compared_is_not_clean() -> None:
    assert not Verdict().clean


def test_tables_that_were_opened_and_saved_elsewhere_stay_clean(run: Path) -> None:
    table = run / "results.csv"
    as_written = table.read_bytes()
    pd.read_csv(table).to_csv(table, index=False)
    assert verify_run(run).clean, "pandas turns counts to 12.0"
    table.write_bytes(b"\xef\xbb\xbf" + as_written.replace(b"\n", b"\r\n"))
    assert verify_run(run).clean, "a spreadsheet adds a byte order mark"
    frame = pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    frame[sorted(frame.columns)].assign(notes="mine").to_csv(table, index=False)
    assert verify_run(run).clean


def test_a_cell_that_is_gone_with_its_rows_is_missed(run: Path) -> None:
    frame = pd.read_csv(run / "results.csv", dtype=str, keep_default_na=False)
    key = frame["cell"].iloc[0]
    frame[frame["cell"] != key].to_csv(run / "results.csv", index=False)
    shutil.rmtree(run / "cells" / key)
    assert f"not there: {key}" in str(verify_run(run))


def test_another_cell_s_files_and_broken_ones_are_named(run: Path) -> None:
    first, second, third = sorted(path.parent for path in (run / "cells").glob("*/pictures.safetensors"))[:3]
    shutil.copy(second / "pictures.safetensors", first / "pictures.safetensors")
    (third / "state.json").write_text("")
    gaps = verify_run(run).gaps
    assert gaps[first.name] == f"cells/{first.name}/pictures.safetensors is not what was written."
    assert "state.json cannot be read" in gaps[third.name]


def test_failures_that_were_taken_out_are_missed(run: Path) -> None:
    (run / "failures.csv").write_text("cell,recognizer,status,class,message\nx,a,failed,ValueError,no\n")
    assert [str(one) for one in verify_run(run).discords] == [
        "x  failures.csv has 1 lines of it, the cell's state gives 0"
    ]


def test_a_missing_or_broken_score_file_is_said(run: Path) -> None:
    first, second, third, fourth = sorted(path.parent for path in run.glob("cells/*/scores.npz"))[:4]
    (first / "scores.npz").unlink()
    (second / "scores.npz").write_bytes(b"")
    with np.load(third / "scores.npz") as archive:
        np.savez(third / "scores.npz", **dict(list(archive.items())[:2]))
    (fourth / "measures.json").unlink()
    verdict = verify_run(run)
    assert set(verdict.gaps) == {first.name, second.name, third.name, fourth.name}
    assert verdict.gaps[first.name] == "missing: scores.npz"
    assert all("cannot be read (scores.npz" in verdict.gaps[cell.name] for cell in (second, third))
    assert verdict.gaps[fourth.name] == "missing: measures.json"
    assert not verdict.differences
    assert not verdict.clean


def test_flags_that_do_not_follow_are_found(run: Path) -> None:
    file = next(run.glob("cells/*/measures.json"))
    parts = json.loads(file.read_text())
    parts["spent" if "spent" in parts else "verification"]["flags"] = [{"flag": "F15", "message": "made up"}]
    file.write_text(json.dumps(parts))
    assert "its flags do not follow" in verify_run(run).gaps[file.parent.name]


def test_a_measurement_that_is_not_here_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MEASUREMENTS, "_items", {k: v for k, v in MEASUREMENTS._items.items() if k != "pictures"})
    verdict = verify_run(run)
    assert all("No measurement is called 'pictures'" in why for why in verdict.gaps.values())
    assert {cell.parent.name for cell in run.glob("cells/*/measure-pictures.npz")} == set(verdict.gaps)


def test_without_any_scores_it_says_how_to_get_them(run: Path) -> None:
    shutil.rmtree(run / "cells")
    with pytest.raises(InputError, match=r"holds no scores.*faceleak run t\.toml"):
        verify_run(run)
    with pytest.raises(RunFolderError, match="not a folder"):
        verify_run(run / "nowhere")


def test_a_run_without_its_protocol_is_refused(run: Path) -> None:
    (run / "run.json").write_text("{}")
    with pytest.raises(InputError, match="protocol cannot be read"):
        verify_run(run)
