"""A newcomer's path, with stand-ins for what lies in the world: prepare, a board, an attack of one's own, compared."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
import torch
from faceleak.bench.cli.main import app
from publishers import lfw_files, publish
from serving import serving
from typer.testing import CliRunner

TRACK = """
title = "A small lfw"
[dataset]
name = "lfw"
[splits]
on_duplicate = "drop"
public = { groups = ["-1", "0", "1", "2", "3", "4", "5", "6"], images = 2 }
calibration = { groups = ["7"], images = 2 }
victims = { groups = ["8", "9"], images = 2, min_images = 2 }
[protocol]
fmrs = [0.1]
headline_fmr = 0.1
resolution = 32
selection_victims = 0
verification_pairs = 40
official_pairs = false
bootstrap = 100
[recognizers]
retail0095 = { type = "portable" }
mobilefacenet = { type = "portable" }
edgeface = { type = "portable" }
resnet-dlib = { type = "portable" }
[[targets]]
recognizer = "retail0095"
judges = ["edgeface", "resnet-dlib"]
surrogate = "mobilefacenet"
[[defenses]]
name = "none"
surfaces = ["template"]
[[attacks]]
name = "mean-face"
[[attacks]]
name = "nearest-public-face"
[[attacks]]
name = "other-photo"
"""
README = Path(__file__).resolve().parents[2] / "README.md"


def edgeface() -> bytes:
    """A checkpoint as Idiap's, untrained: the network under ``model.``."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    state = timm.create_model("edgenext_xx_small", pretrained=False, num_classes=512).state_dict()
    file = io.BytesIO()
    torch.save({f"model.{name}": value for name, value in state.items()}, file)
    return file.getvalue()


def call(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
@pytest.mark.usefixtures("own_registries")
def test_from_the_readme_to_a_row_beside_a_committed_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FACELEAK_WEIGHTS", raising=False)
    monkeypatch.setenv("FACELEAK_DATA", str(tmp_path / "pack"))
    monkeypatch.setenv("FACELEAK_STORE", str(tmp_path / "store"))
    with serving() as server:
        publish(server, monkeypatch, tmp_path / "published", lfw_files(10, 12, 2), edgeface())
        call("prepare", "lfw", "--yes", "--quiet", "--without", "lpips", "--without", "fid")
    track = tmp_path / "small.toml"
    track.write_text(TRACK)
    call("run", track, "--out", tmp_path / "first", "--quiet")
    call("publish", tmp_path / "first", "--out", tmp_path / "committed")
    attack = tmp_path / "ten_nearest.py"
    attack.write_text(README.read_text().split("```python\n")[1].split("```")[0])
    track.write_text(TRACK + '[[attacks]]\nname = "ten-nearest"\n')
    call("run", track, "--plugin", attack, "--out", tmp_path / "own", "--quiet")
    told = call("merge", tmp_path / "own", tmp_path / "committed", "--out", tmp_path / "both")
    assert "ten-nearest" in told
    rows = pd.read_csv(tmp_path / "both" / "results.csv")
    assert "failed" not in set(rows["status"])
    mine = rows[(rows["attack"] == "ten-nearest") & (rows["metric"] == "sar_type2")]
    assert set(mine["judge"]) == {"retail0095", "edgeface", "resnet-dlib"}
    assert "nearest-public-face" in call("compare", tmp_path / "own", tmp_path / "committed")
