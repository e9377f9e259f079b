"""The real recognisers against what the data pack's README says of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from faceleak.bench.core.errors import NoGradientError
from faceleak.bench.recognizers.base import Recognizer
from torch import Tensor

from .pack import REAL, lfw_images, lfw_pairs, make, needs_pack

pytestmark = [pytest.mark.data, needs_pack]


@pytest.fixture(scope="module")
def real() -> dict[str, Recognizer]:
    return {alias: make(kind, settings, alias) for alias, (kind, settings, _) in REAL.items()}


@pytest.fixture(scope="module")
def faces() -> Tensor:
    """(16, 3, 112, 112): four genuine pairs, then four impostor pairs, side by side."""
    pairs = lfw_pairs()
    chosen = [p for p in pairs if p[2]][:4] + [p for p in pairs if not p[2]][:4]
    return lfw_images([name for pair in chosen for name in pair[:2]])


@pytest.mark.parametrize("alias", list(REAL))
def test_known_cosines(alias: str, real: dict[str, Recognizer], faces: Tensor) -> None:
    z = real[alias].embed(faces)
    cosines = (z[::2] * z[1::2]).sum(1)
    assert torch.allclose(cosines, torch.tensor(REAL[alias][2]), atol=1e-3), cosines
    assert torch.allclose(z.norm(dim=1), torch.ones(16), atol=1e-5)


@pytest.mark.parametrize("alias", ["retail0095", "mobilefacenet", "edgeface"])
def test_gradient_reaches_the_image(alias: str, real: dict[str, Recognizer], faces: Tensor) -> None:
    x = faces[:2].clone().requires_grad_()
    z = real[alias](x)
    assert torch.allclose(z, real[alias].embed(faces[:2]), atol=1e-4)  # the two forms are one network
    (1 - z[0] @ z[1]).backward()
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())
    assert bool((x.grad.abs().amax(dim=(1, 2, 3)) > 1e-6).all())


def test_forward_only_refuses_a_gradient(real: dict[str, Recognizer], faces: Tensor) -> None:
    recognizer = real["edgeface-onnx"]
    assert not recognizer.differentiable
    x = faces[:1].clone().requires_grad_()
    with pytest.raises(NoGradientError, match=r"Dynamic value of min/max.*supply its torch or safetensors weights"):
        recognizer(x)
    with torch.no_grad():
        assert recognizer(x).shape == (1, 512)


def test_two_files_of_one_network_agree(real: dict[str, Recognizer], faces: Tensor) -> None:
    assert torch.allclose(real["edgeface"].embed(faces), real["edgeface-onnx"].embed(faces), atol=1e-4)


@pytest.mark.parametrize("alias", ["retail0095", "mobilefacenet"])
def test_colour_order_matters(alias: str, real: dict[str, Recognizer], faces: Tensor) -> None:
    swapped = make("onnx", {**REAL[alias][1], "color": "bgr"})
    assert torch.allclose(swapped.embed(faces.flip(1)), real[alias].embed(faces), atol=1e-5)
    assert not torch.allclose(swapped.embed(faces), real[alias].embed(faces), atol=1e-2)


def test_flip_makes_mirrored_faces_equal(faces: Tensor) -> None:
    recognizer = make("onnx", {**REAL["mobilefacenet"][1], "flip": True})
    assert torch.allclose(recognizer.embed(faces[:2]), recognizer.embed(faces[:2].flip(3)), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("alias", "expected"), [("retail0095", 99.45), ("mobilefacenet", 99.42), ("edgeface", 99.58)])
def test_official_accuracy(alias: str, expected: float, real: dict[str, Recognizer]) -> None:
    """Ten folds, each judged at the threshold that is best on the other nine; single crop, no flip."""
    pairs = lfw_pairs()
    names = sorted({name for pair in pairs for name in pair[:2]})
    z = torch.cat([real[alias].embed(lfw_images(names[i : i + 256])) for i in range(0, len(names), 256)])
    place = {name: i for i, name in enumerate(names)}
    scores = (z[[place[a] for a, _, _ in pairs]] * z[[place[b] for _, b, _ in pairs]]).sum(1).numpy()
    same, fold = np.array([s for _, _, s in pairs]), np.arange(6000) // 600
    accuracy = []
    for held_out in range(10):
        rest = fold != held_out
        candidates = np.unique(scores[rest])
        rates = [((scores[rest] >= c) == same[rest]).mean() for c in candidates]
        threshold = candidates[int(np.argmax(rates))]
        accuracy.append(((scores[~rest] >= threshold) == same[~rest]).mean())
    assert abs(100 * float(np.mean(accuracy)) - expected) < 0.3
