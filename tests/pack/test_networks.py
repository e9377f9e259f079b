"""Networks that are made into ONNX: against the same networks in torch, and refused where a file is another's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import RECOGNIZERS
from faceleak.bench.core.seeding import Rng
from faceleak.bench.pack import networks
from faceleak.bench.recognizers.base import BuildContext
from foreign import dlib_files, ir_network, run_dlib
from torch import Tensor

FACES = torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))


def answers(file: Path, x: Tensor) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


@pytest.mark.parametrize("half", [False, True], ids=["32 bits", "16 bits"])
def test_retail0095_sees_a_tight_crop_in_bgr(tmp_path: Path, half: bool) -> None:
    graph, weights, run = ir_network(tmp_path, 128, 16, half=half)
    networks.make_retail0095(graph, weights, tmp_path / "made" / "net.onnx")
    tight = F.interpolate(FACES[..., 8:104], (128, 128), mode="bilinear", align_corners=False)
    expected = run(tight.flip(1) * 255)
    found = answers(tmp_path / "made" / "net.onnx", FACES)
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["net.onnx"]


def test_landmarks_take_what_the_alignment_gives_them(tmp_path: Path) -> None:
    graph, weights, run = ir_network(tmp_path, 48, 10)
    networks.make_landmarks5(graph, weights, tmp_path / "net.onnx")
    x = torch.rand(2, 3, 48, 48) * 255
    assert torch.allclose(answers(tmp_path / "net.onnx", x), run(x), atol=1e-4)


def test_dlib_s_network_is_dlib_s(tmp_path: Path) -> None:
    manifest, weights, tensors = dlib_files(tmp_path, 2)
    networks.make_dlib(manifest, weights, tmp_path / "net.onnx")
    at = 0.66617 * torch.arange(150)
    # As ``grid_sample`` counts: -1 and 1 are the middles of the outermost pixels.
    grid = torch.stack(torch.meshgrid(21.30309 + at, 5.51008 + at, indexing="ij")[::-1], -1) * 2 / 111 - 1
    chip = F.grid_sample(FACES, grid[None].expand(3, -1, -1, -1), align_corners=True, padding_mode="zeros")
    expected = run_dlib(tensors, (chip * 255 - torch.tensor([122.782, 117.001, 104.298])[:, None, None]) / 256)
    assert torch.allclose(answers(tmp_path / "net.onnx", FACES), expected, atol=1e-4 * float(expected.abs().max()))


def test_they_are_recognisers_with_gradients(tmp_path: Path) -> None:
    graph, weights, _ = ir_network(tmp_path, 128, 16)
    networks.make_retail0095(graph, weights, tmp_path / "retail.onnx")
    networks.make_dlib(*dlib_files(tmp_path)[:2], tmp_path / "dlib.onnx")
    for name in ("retail", "dlib"):
        made = RECOGNIZERS.get("onnx")({"path": str(tmp_path / f"{name}.onnx"), "family": name, "scale": "unit"})
        made.build(BuildContext(None, Rng(0, "r"), torch.device("cpu"), Progress()))
        assert made.differentiable


def _edited(file: Path, edit: Callable[[bytes], bytes]) -> Path:
    file.write_bytes(edit(file.read_bytes()))
    return file


@pytest.mark.parametrize(
    ("which", "edit", "words"),
    [
        ("xml", lambda b: b.replace(b'"Sigmoid"', b'"Swish"'), "layers of type Swish are not known"),
        ("xml", lambda b: b[:-40], "no network that can be read"),
        ("xml", lambda b: b.replace(b'type="Result"', b'type="Sigmoid"'), "no network that can be read"),
        ("xml", lambda b: b.replace(b'auto_pad="explicit"', b'auto_pad="same_upper"'), "auto_pad = 'same_upper'"),
        ("xml", lambda b: b.replace(b'from-layer="0"', b'from-layer="9"'), "runs in a circle|can be read"),
        ("xml", lambda b: b.replace(b"<dim>16</dim>", b"<dim>17</dim>"), "another network's, or damaged"),
        ("bin", lambda b: b[:100], "no network that can be read"),
    ],
    ids=["layer", "cut", "no end", "padding", "circle", "shape", "weights"],
)
def test_another_network_is_refused_in_one_sentence(
    tmp_path: Path, which: str, edit: Callable[[bytes], bytes], words: str
) -> None:
    graph, weights, _ = ir_network(tmp_path, 128, 16)
    _edited(graph if which == "xml" else weights, edit)
    with pytest.raises(InputError, match=words):
        networks.make_retail0095(graph, weights, tmp_path / "made" / "net.onnx")
    assert not (tmp_path / "made").exists()


def test_other_weights_than_dlib_s_are_refused(tmp_path: Path) -> None:
    manifest, weights, _ = dlib_files(tmp_path)
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(InputError, match="do not fit together"):
        networks.make_dlib(manifest, weights, tmp_path / "net.onnx")
    manifest.write_text('[{"weights": []}]')
    weights.write_bytes(b"")
    with pytest.raises(InputError, match="does not hold dlib's recogniser"):
        networks.make_dlib(manifest, weights, tmp_path / "net.onnx")
    manifest.write_text("{}")
    with pytest.raises(InputError):
        networks.make_dlib(manifest, weights, tmp_path / "net.onnx")
    assert not np.any([file.suffix == ".onnx" for file in tmp_path.iterdir()])
