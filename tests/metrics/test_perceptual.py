"""LPIPS, FID and KID with weight files made here; nothing may touch the network."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from faceleak.bench.core.errors import InputError
from faceleak.bench.metrics.arrays import MetricInputError
from faceleak.bench.metrics.distribution import frechet_distance, kid
from faceleak.bench.metrics.perceptual import INCEPTION, TRUNKS, Fid, Lpips, MetricUnavailable
from faceleak.bench.metrics.weights import WeightsMismatch, find_weights
from safetensors.torch import save_file

TRUNK_MODELS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a metric tried to download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr("pytorch_fid.inception.load_state_dict_from_url", refuse)
    monkeypatch.delenv("FACELEAK_WEIGHTS", raising=False)


def random_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A state dict of a meta model: random convolutions, neutral batch norms."""
    generator, state = torch.Generator().manual_seed(0), {}
    for name, like in model.state_dict().items():
        if like.ndim > 1:
            fan_in = like[0].numel()
            state[name] = torch.randn(like.shape, generator=generator) * (2 / fan_in) ** 0.5
        elif name.endswith(("running_var", "weight")):
            state[name] = torch.ones(like.shape)
        else:
            state[name] = torch.zeros(like.shape, dtype=like.dtype)
    return state


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with alexnet and Inception; classifiers are cut short to save space."""
    root = tmp_path_factory.mktemp("weights")
    torch.save(trunk_state("alex"), root / TRUNKS["alex"][0])
    from pytorch_fid import inception as pf

    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        patch.setattr(pf, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)
        model = pf.fid_inception_v3()
    torch.save(random_state(model), root / INCEPTION)
    return root


def trunk_state(net: str) -> dict[str, torch.Tensor]:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(torchvision.models, TRUNK_MODELS[net])(weights=None)
    return random_state(model.features) and {f"features.{k}": v for k, v in random_state(model.features).items()} | {
        "classifier.1.weight": torch.zeros(1)
    }


def faces(seed: int, n: int = 3, side: int = 64) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_lpips_values(folder: Path) -> None:
    before = torch.random.get_rng_state()
    distance = Lpips("alex", folder)
    assert torch.equal(before, torch.random.get_rng_state())  # building draws nothing
    x, y = faces(0), faces(1)
    assert torch.equal(distance(x, x), torch.zeros(3, dtype=torch.float64))
    assert bool((distance(x, y) > 0).all())
    torch.testing.assert_close(distance(x, y), distance(y, x))
    near = (0.9 * x + 0.1 * y).clamp(0, 1)
    assert bool((distance(x, near) < distance(x, y)).all())
    torch.testing.assert_close(Lpips("alex", folder, batch=2)(x, y), distance(x, y), rtol=1e-4, atol=1e-6)


def test_lpips_is_the_package_with_these_weights(folder: Path) -> None:
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = torch.load(folder / TRUNKS["alex"][0], weights_only=True)
    for number in range(1, 6):
        for index, layer in getattr(reference.net, f"slice{number}").named_children():
            if isinstance(layer, torch.nn.Conv2d):
                layer.load_state_dict({leaf: state[f"features.{index}.{leaf}"] for leaf in ("weight", "bias")})
    x, y = faces(0), faces(1)
    expected = reference(x, y, normalize=True).flatten().detach().double()
    torch.testing.assert_close(Lpips("alex", folder)(x, y), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("net", ["vgg", "squeeze"])
def test_other_trunks_and_safetensors(net: str, tmp_path: Path) -> None:
    save_file(trunk_state(net), tmp_path / f"{TRUNK_MODELS[net]}.safetensors")
    distance = Lpips(net, tmp_path)
    assert distance.name == f"lpips_{net}"
    assert distance.weights.suffix == ".safetensors"
    x = faces(0, 1, 32)
    assert distance(x, x).item() == 0 < distance(x, faces(1, 1, 32)).item()


def test_fid_values(folder: Path) -> None:
    measure = Fid(folder, batch=2)
    a, b = faces(0, 3, 32), faces(1, 3, 32) * 0.5
    features = measure.features(a)
    assert features.shape == (3, 2048)
    scale = float(features.var(axis=0).sum())
    assert measure.fid(a, a) == pytest.approx(0, abs=1e-6 * scale)
    other = measure.features(b)
    assert measure.fid(a, b) == pytest.approx(frechet_distance(features, other), rel=1e-3)
    assert measure.kid(a, b, 0, 3, 1).value == pytest.approx(kid(features, other, 0, 3, 1).value, rel=1e-3)
    assert frechet_distance(features, other) > 0


def test_fid_features_are_those_of_pytorch_fid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_fid import inception as pf

    state = torch.load(folder / INCEPTION, weights_only=True)
    monkeypatch.setattr(pf, "load_state_dict_from_url", lambda *_, **__: state)
    reference = pf.InceptionV3().eval()
    x = faces(0, 2, 48)
    with torch.no_grad():
        expected = reference(x)[0].flatten(1).double().numpy()
    np.testing.assert_allclose(Fid(folder).features(x), expected, rtol=1e-5, atol=1e-6)


def test_absent_files_say_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MetricUnavailable, match="FACELEAK_WEIGHTS is not set"):
        Lpips("alex")
    monkeypatch.setenv("FACELEAK_WEIGHTS", str(tmp_path))
    with pytest.raises(MetricUnavailable) as caught:
        Fid()
    assert INCEPTION in caught.value.reason
    assert str(tmp_path) in caught.value.reason
    with pytest.raises(MetricUnavailable, match="vgg16"):
        Lpips("vgg", tmp_path / "nowhere")


def test_which_file_is_taken(tmp_path: Path) -> None:
    official, patterns = TRUNKS["vgg"]
    (tmp_path / "vgg16_bn-6c64b313.pth").touch()
    with pytest.raises(MetricUnavailable):
        find_weights("LPIPS", official, patterns, tmp_path)
    (tmp_path / "vgg16.pth").touch()
    assert find_weights("LPIPS", official, patterns, tmp_path).name == "vgg16.pth"
    (tmp_path / "vgg16-mine.pth").touch()
    with pytest.raises(MetricUnavailable, match="several"):
        find_weights("LPIPS", official, patterns, tmp_path)
    (tmp_path / official).touch()
    assert find_weights("LPIPS", official, patterns, tmp_path).name == official
    assert find_weights("LPIPS", official, patterns, tmp_path / "vgg16.pth").name == "vgg16.pth"


def test_wrong_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    state = torch.load(folder / TRUNKS["alex"][0], weights_only=True)
    missing = {k: v for k, v in state.items() if k != "features.10.weight"}
    for number, bad in enumerate([missing, state | {"features.77.weight": torch.zeros(1)}, trunk_state("squeeze")]):
        torch.save(bad, tmp_path / f"{number}.pth")
        with pytest.raises(WeightsMismatch, match=f"{number}.pth"):
            Lpips("alex", tmp_path / f"{number}.pth")
    torch.save({"state_dict": state}, tmp_path / "nested.pth")
    with pytest.raises(WeightsMismatch, match="flat dict"):
        Fid(tmp_path / "nested.pth")


def test_bad_input_is_refused(folder: Path) -> None:
    with pytest.raises(MetricInputError, match="resnet"):
        Lpips("resnet", folder)
    distance, fid = Lpips("alex", folder), Fid(folder)
    for x, y in [(faces(0) * 255, faces(0)), (faces(0), faces(0, 2)), (faces(0, 1, 16), faces(0, 1, 16))]:
        with pytest.raises(InputError):
            distance(x, y)
    for bad in (faces(0) * 2 - 1, faces(0)[:0]):
        with pytest.raises(InputError):
            fid.features(bad)
