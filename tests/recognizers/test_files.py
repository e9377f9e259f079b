"""Weights files that are not what they should be: one clear sentence each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.weights import open_weights, weights_digest
from safetensors.torch import save_file
from torch import Tensor

from .graphs import write_graph
from .pack import make

ARCHITECTURE = "test_resnet"  # timm's smallest, 0.5 M parameters


def refused(kind: str, path: str | Path, message: str, **settings: Any) -> str:
    values = {"path": str(path), "family": "x", **settings}
    if kind == "timm":
        values = {"architecture": ARCHITECTURE, "dim": 8, "size": 32, **values}
    with pytest.raises(InputError, match=message) as caught:
        make(kind, values, "victim")
    text = str(caught.value)
    assert "victim" in text
    assert "\n" not in text
    return text


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return dict(timm.create_model(ARCHITECTURE, num_classes=8).state_dict())


@pytest.mark.parametrize("kind", ["onnx", "timm"])
class TestBothKinds:
    def test_html(self, kind: str, tmp_path: Path) -> None:
        (tmp_path / "w").write_text("\n <!DOCTYPE html><title>404</title>")
        refused(kind, tmp_path / "w", "is an HTML page, not weights")

    def test_missing(self, kind: str, tmp_path: Path) -> None:
        refused(kind, tmp_path / "w", "there is no weights file at")

    def test_empty(self, kind: str, tmp_path: Path) -> None:
        (tmp_path / "w").touch()
        refused(kind, tmp_path / "w", "is empty")

    def test_lfs_pointer(self, kind: str, tmp_path: Path) -> None:
        (tmp_path / "w").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0")
        refused(kind, tmp_path / "w", "git lfs pull")

    def test_environment_variable(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_SUCH_PLACE", raising=False)
        refused(kind, "${NO_SUCH_PLACE}/w.onnx", r"needs the environment variable NO_SUCH_PLACE, which is not set")

    def test_no_path(self, kind: str) -> None:
        refused(kind, "", "path is empty")


def test_cut_files(tmp_path: Path, state: dict[str, Tensor]) -> None:
    graph = write_graph(tmp_path / "a.onnx")
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pt")
    for kind, path in (("onnx", graph), ("timm", tmp_path / "a.safetensors"), ("timm", tmp_path / "a.pt")):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        refused(kind, path, "is not a readable")


def test_sha256(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "a.onnx")
    refused("onnx", path, "expected 00ff; it is another or a damaged file", sha256="00FF", size=8)
    digest = weights_digest(str(path))
    make("onnx", {"path": str(path), "family": "x", "size": 8, "sha256": digest.upper()})
    assert weights_digest("${NO_SUCH_PLACE}/w") == "missing"


def test_a_safetensors_header_that_looks_like_html(tmp_path: Path) -> None:
    """The pack's own edgeface_xxs.safetensors begins with the bytes 20 3c: a blank and ``<``."""
    (tmp_path / "w").write_bytes(b" <\x00\x00\x00\x00\x00\x00{}")
    assert open_weights(str(tmp_path / "w"), "", "x")[0] == tmp_path / "w"


def test_wrong_keys(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "a.safetensors"
    save_file({f"other.{key}": value for key, value in state.items()} | {"more": torch.zeros(1)}, path)
    text = refused("timm", path, "missing .*unexpected .*other[.].*check architecture, dim and prefix")
    assert ", ..." in text
    for wrapped in ("model.", "module.", "_orig_mod.module."):  # found where it stands before every key
        save_file({f"{wrapped}{key}": value for key, value in state.items()}, path)
        found = make("timm", {"path": str(path), "family": "x", "architecture": ARCHITECTURE, "dim": 8})
        assert found.provenance["prefix"] == wrapped
    refused("timm", path, r"2 of another shape \(fc.weight .* instead of", prefix="_orig_mod.module.", dim=9)
    refused("timm", path, r"2 of another shape \(fc.weight .* instead of", dim=9)
    refused("timm", path, "timm has no architecture 'test_resnot'; did you mean", architecture="test_resnot")


def test_checkpoint_forms_agree(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "a.pth")
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    values = {"family": "x", "architecture": ARCHITECTURE, "dim": 8, "size": 32}
    first, second = (
        make("timm", {**values, "path": str(tmp_path / name)}).embed(x) for name in ("a.safetensors", "a.pth")
    )
    assert torch.equal(first, second)


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"state_dict": Path("x")}, tmp_path / "a.pt")
    refused("timm", tmp_path / "a.pt", "must be saved again as safetensors")


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    refused("timm", tmp_path / "a.pt", "not tensors by name")
