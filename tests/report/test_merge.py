"""Own rows on a board of others: what is taken, what is refused, and where the newcomer is seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faceleak
import pandas as pd
import pytest
from faceleak.bench.core.errors import InputError
from faceleak.bench.report.boards import build_boards
from faceleak.bench.report.load import load_run
from faceleak.bench.report.merge import merge
from faceleak.bench.report.page import render_page

QUICK = Path(faceleak.__file__).resolve().parent / "results" / "quick"


def copy(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows, **json_: Any) -> Path:
    """The committed run ``quick``, its rows changed; ``run``, ``manifest``: what is put into these files."""
    folder.mkdir()
    for name in ("run", "manifest", "env"):
        shutil.copy(QUICK / f"{name}.json", folder)
        told = json.loads((folder / f"{name}.json").read_text()) | json_.get(name, {})
        (folder / f"{name}.json").write_text(json.dumps(told))
    change(pd.read_csv(QUICK / "results.csv", dtype=str, keep_default_na=False)).to_csv(
        folder / "results.csv", index=False
    )
    return folder


def mine(rows: pd.DataFrame) -> pd.DataFrame:
    """The defence pixelate under another name and with other keys, and the undefended system again."""
    own = rows[rows["defense"] == "pixelate"].replace({"defense": {"pixelate": "my-<defense>"}})
    return pd.concat([own.assign(cell="my" + own["cell"]), rows[rows["defense"] == "none"]])


def test_the_newcomer_stands_on_the_board_and_is_marked(tmp_path: Path) -> None:
    board, own = copy(tmp_path / "board"), copy(tmp_path / "own", mine)
    found = merge(own, board, tmp_path / "out")
    assert found.newcomers == {"defenses": ["my-<defense>"], "attacks": []}
    assert (found.differ, found.both > 50) == (0, True)
    before, after = load_run(board), load_run(tmp_path / "out")
    assert len(after.results) == len(before.results) + found.rows
    kept = after.results[after.results["defense"] != "my-<defense>"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before.results)
    assert any("rows were measured by both runs; 0 of" in text for text in after.manifest["caveats"])
    page = render_page(after, build_boards(after.results, after.headline_fmr), [], [])
    assert 'class="new"' in page
    assert "my-&lt;defense&gt;" in page
    assert "my-<defense>" not in page
    assert 'class="new"' not in render_page(before, build_boards(before.results, before.headline_fmr), [], [])


def test_a_machine_that_disagrees_is_seen(tmp_path: Path) -> None:
    def shifted(rows: pd.DataFrame) -> pd.DataFrame:
        found = mine(rows)
        found.loc[(found["defense"] == "none") & (found["metric"] == "sar_type2"), "value"] = "0.999"
        return found

    found = merge(copy(tmp_path / "own", shifted), copy(tmp_path / "board"), tmp_path / "out")
    assert found.differ > 10
    assert "0.999" in found.control


@pytest.mark.parametrize(
    ("change", "words", "told"),
    [
        (mine, {"run": {"protocol": {"draws": 7}}}, "protocol: "),
        (mine, {"manifest": {"splits_sha256": "0"}}, "other people are victims"),
        (mine, {"manifest": {"datasets": {"synthetic": {"sha256": "0"}}}}, "the pictures of synthetic are others"),
        (mine, {"manifest": {"datasets": {"lfw": {}}}}, "data sets: lfw and synthetic"),
        (lambda rows: mine(rows).assign(weights_sha="0"), {}, "recognizer resnet has other weights"),
        (lambda rows: mine(rows).assign(recognizer="other"), {}, "recognizers: other and resnet"),
        (lambda rows: rows, {}, "has no cell that"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, change: Any, words: Any, told: str) -> None:
    own, board = copy(tmp_path / "own", change, **words), copy(tmp_path / "board")
    with pytest.raises(InputError, match=told):
        merge(own, board, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not empty"):
        merge(copy(tmp_path / "own", mine), copy(tmp_path / "board"), tmp_path / "own")
