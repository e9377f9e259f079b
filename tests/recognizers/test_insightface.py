"""insightface packs: the recogniser is found by what it is, and run as insightface runs it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from faceleak.bench.cli.doctor import track_problems
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.seeding import Rng
from faceleak.bench.plan.track import load_track
from faceleak.bench.recognizers.base import Recognizer
from faceleak.bench.zoo.packs import find_model, find_pack
from packs import write_detector, write_other, write_pack, write_recognizer
from PIL import Image

from .pack import make


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("packs") / "buffalo_l")


def built(path: Path | str, **more: Any) -> Recognizer:
    return make("insightface", {"path": str(path), "family": "arcface", **more})


def images(n: int = 3) -> torch.Tensor:
    return (Rng(1).uniform(torch.arange(n), (3, 112, 112)) * 255).round() / 255


@pytest.mark.parametrize("names", [("Conv_0", "Relu_1"), ("Sub_0", "Mul_1"), ("_minusscalar0", "_mulscalar0")])
def test_embeddings_are_insightface_s_own(tmp_path: Path, names: tuple[str, str]) -> None:
    """Colour order and scale against insightface's class, also for graphs that it takes to normalise by themselves."""
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    file = write_recognizer(tmp_path / "pack" / "rec.onnx", names)
    theirs = ArcFaceONNX(str(file)).get_feat([np.ascontiguousarray(np.asarray(one)[:, :, ::-1]) for one in pictures()])
    expected = torch.nn.functional.normalize(torch.from_numpy(theirs))
    assert torch.allclose(built(tmp_path / "pack").embed(images()), expected, atol=1e-5)


def pictures() -> list[Image.Image]:
    return [Image.fromarray((one * 255).round().byte().permute(1, 2, 0).numpy()) for one in images()]


def test_folder_zip_nested_and_named_packs_are_one(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = built(pack)
    assert expected.provenance["file"] == "w600k_r50.onnx"
    assert expected.provenance["licence"] == "non-commercial research"
    assert (expected.size, expected.dim, expected.family) == (112, 512, "arcface")
    zipped = shutil.make_archive(str(tmp_path / "buffalo_l"), "zip", pack)
    home = tmp_path / "home" / ".insightface" / "models"
    shutil.copytree(pack, home / "antelopev2" / "antelopev2")  # as its zip unpacks
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FACELEAK_WEIGHTS", str(tmp_path))  # holds buffalo_l.zip
    for path in (zipped, "insightface:antelopev2", "insightface:buffalo_l"):
        recognizer = built(path)
        assert recognizer.embed(images()).equal(expected.embed(images()))
        assert recognizer.describe()["weights"] == expected.describe()["weights"]


def test_it_is_converted_and_checked(pack: Path) -> None:
    recognizer = built(pack)
    assert recognizer.differentiable
    assert "relative difference" in recognizer.provenance["converted"]
    x = images().requires_grad_()
    z = recognizer(x)
    assert torch.allclose(z, recognizer.embed(images()), atol=1e-5)
    z[:, 0].sum().backward()
    assert x.grad is not None
    assert bool((x.grad.abs().amax(dim=(1, 2, 3)) > 0).all())


def test_a_changed_pack_is_another_recogniser(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack")
    before = built(folder).describe()["weights"]
    write_recognizer(folder / "w600k_r50.onnx", batch=1)
    assert built(folder).describe()["weights"] != before
    shutil.rmtree(folder)
    recognizer = built(write_pack(folder))
    shutil.rmtree(folder)
    assert recognizer.describe()["weights"] == "missing", "planning goes on where running would fail"


def test_what_is_no_pack_is_said(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FACELEAK_WEIGHTS", raising=False)
    monkeypatch.delenv("FACELEAK_DATA", raising=False)
    twins = write_pack(tmp_path / "twins")
    shutil.copy(twins / "w600k_r50.onnx", twins / "another.onnx")
    write_other(tmp_path / "none" / "genderage.onnx", 96)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "rec.onnx").write_bytes((pack / "w600k_r50.onnx").read_bytes()[:99])
    (tmp_path / "bad.zip").write_bytes(b"<html>")
    for path, words in (
        ("insightface:buffalo_l", r"models; get it with `faceleak fetch buffalo_l`"),
        ("insightface:", "names no pack"), ("insightface:../x", "names no pack"),
        ("", "no pack at ''"), (tmp_path / "gone", "no pack at"),
        (tmp_path / "none", r"no recognition model \(it has genderage.onnx\)"),
        (twins, r"several recognition models \(another.onnx, w600k_r50.onnx\)"),
        (tmp_path / "cut", "no readable ONNX file"), (tmp_path / "bad.zip", "no sound zip"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            built(path)
    with pytest.raises(InputError, match="expected 00"):
        built(pack, sha256="00")


def test_the_detector_is_found_too(pack: Path, tmp_path: Path) -> None:
    assert find_model(str(pack), "detection", "test").source.name == "det_10g.onnx"
    assert find_pack(str(pack), "test") == pack
    write_detector(tmp_path / "only" / "det.onnx")
    with pytest.raises(InputError, match="no recognition model"):
        find_model(str(tmp_path / "only"), "recognition", "test")


def test_doctor_knows_whether_a_pack_is_there(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track = load_track("quick")
    alias = track.targets[0].recognizer
    spec = track.recognizers[alias].model_copy(
        update={"type": "insightface", "settings": {"path": "insightface:buffalo_l", "family": "arcface"}}
    )
    track = track.model_copy(update={"recognizers": {**track.recognizers, alias: spec}})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FACELEAK_WEIGHTS", str(tmp_path))
    assert any("faceleak fetch buffalo_l" in problem for problem in track_problems(track))
    monkeypatch.setenv("FACELEAK_WEIGHTS", str(pack.parent))
    assert track_problems(track) == []
