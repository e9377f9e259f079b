"""A StyleGAN2 or 3 of the user's as the prior: read safely, and searched like the small autoencoder."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.zoo.prior import PriorSettings, encoded, face_prior, samples
from faceleak.bench.zoo.style import StylePrior
from generators import W_DIM, Harm, tiny_stylegan2, tiny_stylegan3
from safetensors.torch import save_file
from systems import ToySystem, small
from torch import Tensor, nn

IDS = torch.arange(5)
FAMILIES = {"2": tiny_stylegan2(), "3-T": tiny_stylegan3("T"), "3-R": tiny_stylegan3("R")}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(tiny_stylegan2(), tmp_path / "generator.pt")
    return tmp_path / "generator.pt"


def context():  # type: ignore[no-untyped-def]
    return ToySystem("none").context(ATTACKS.get("latent-mapping").threat)


def prior_of(path: Path, **settings: Any) -> StylePrior:
    prior = face_prior(context(), PriorSettings(prior=str(path), **settings))
    assert isinstance(prior, StylePrior)
    return prior


@pytest.mark.parametrize("family", FAMILIES)
def test_latents_are_counted_in_spreads_from_the_average(family: str, tmp_path: Path) -> None:
    torch.save(FAMILIES[family], tmp_path / "generator.pt")
    prior = prior_of(tmp_path / "generator.pt")
    assert torch.equal(prior.generator.mapping.w_avg, FAMILIES[family]["mapping.w_avg"])
    average = (prior.generator.synthesis(prior.generator.mapping.w_avg[None]) + 1) / 2
    assert prior(torch.zeros(1, W_DIM)).shape == (1, 3, 32, 32)
    prior.size = prior.generator.side
    assert torch.equal(prior(torch.zeros(1, W_DIM)), average.clamp(0, 1))
    u = samples(prior, context().rng, IDS, 400)
    assert u.shape == (5, 400, W_DIM)
    assert torch.allclose(u.square().mean((0, 1)).sqrt(), torch.ones(W_DIM), atol=0.15)
    assert torch.equal(samples(prior, context().rng, IDS[2:3], 400)[0], u[2]), "each sample has its own"
    noise = context().rng.normal(IDS, (400, prior.noise_dim))[0]
    w = prior.generator.mapping.w_avg + prior.spread * u[0]
    assert torch.allclose(w, prior.generator.mapping(noise), atol=1e-4)


def test_the_box_is_what_is_kept(weights: Path) -> None:
    whole, part = prior_of(weights), prior_of(weights, prior_box=(0.25, 0.0, 0.75, 0.5))
    u = samples(whole, context().rng, IDS, 1)[:, 0]
    whole.size = part.size = 16
    wanted = torch.nn.functional.interpolate(whole(u)[:, :, :8, 4:12], (16, 16), mode="bilinear", antialias=True)
    assert torch.allclose(part(u), wanted, atol=1e-5)
    for box in ((0.5, 0.0, 0.5, 1.0), (0.0, 0.0, 1.2, 1.0)):
        with pytest.raises(InputError, match="prior_box is left"):
            prior_of(weights, prior_box=box)


def test_the_encoder_learns_from_the_generator_s_samples(weights: Path) -> None:
    here = context()
    here.resolution, here.keep = 16, lambda name, spec, make: make()
    errors = {}
    for steps in (1, 60):
        size = PriorSettings(prior=str(weights), prior_steps=steps, prior_batch=32)
        prior = face_prior(here, size, encodes=True)
        u = samples(prior, here.rng, IDS, 40).flatten(0, 1)
        with torch.no_grad():
            errors[steps] = float((prior.encode(prior(u))[0] - u).square().mean())
    assert errors[60] < 0.6 * errors[1]
    assert encoded(prior, here, 7).shape == (7, W_DIM)


@pytest.mark.parametrize(
    ("name", "family"),
    [("latent-mapping", "2"), ("latent-inversion", "2"), ("zeroth-order", "2"), ("purification", "3-T")],
)
def test_attacks_take_a_path(name: str, family: str, weights: Path) -> None:
    torch.save(FAMILIES[family], weights)
    settings: dict[str, Any] = {"prior": str(weights), "prior_steps": 2, "steps": 4, "student_steps": 1, "tried": 8}
    settings |= {"iterations": 2, "method": "project"}
    known = ATTACKS.get(name).Settings.__dataclass_fields__
    attack = ATTACKS.get(name)(small(name) | {key: value for key, value in settings.items() if key in known})
    system = ToySystem("none")
    surface = Surface.IMAGE if name == "purification" else Surface.TEMPLATE
    here = system.context(attack.threat, surface)
    leak = system.deployed_leak(IDS, surface, "victims")
    attack.fit(here)
    here.target.enrol(leak)
    assert isinstance(attack.prior, StylePrior)
    assert attack.recover(leak, IDS, here).images.shape == (5, 3, 32, 32)  # type: ignore[union-attr]

    before = attack.describe()
    torch.save(tiny_stylegan2(seed=1), weights)
    assert attack.describe() != before, "other weights at the same path are another cell"


def test_safetensors_are_read_and_other_names_refused(tmp_path: Path, weights: Path) -> None:
    state = tiny_stylegan2()
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "generator.safetensors")
    u = torch.ones(2, W_DIM)
    assert torch.equal(prior_of(tmp_path / "generator.safetensors")(u), prior_of(weights)(u))
    del state["synthesis.b8.conv0.noise_const"]
    torch.save(state | {"discriminator": torch.zeros(1)}, weights)
    with pytest.raises(InputError, match=r"missing \(synthesis.b8.conv0.noise_const\); 1 unexpected \(discriminator\)"):
        prior_of(weights)
    with pytest.raises(InputError, match="there is no weights file"):
        prior_of(tmp_path / "nowhere.pt")


class Persistent(nn.Module):
    """A module as the releases pickle it: its source, which they would run, and its state."""

    source = ""

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        about = {"type": "class", "version": 6, "module_src": self.source, "class_name": "Network"}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (about | {"state": vars(self)},)


def persistent(state: dict[str, Tensor]) -> Persistent:
    """Nested modules that hold ``state``, weights and biases as parameters."""
    root = Persistent()
    root.size = np.array([36, 36])  # type: ignore[assignment]
    for name, value in state.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, Persistent())
            module = module.get_submodule(part)  # type: ignore[assignment]
        if last in ("weight", "bias"):
            module.register_parameter(last, nn.Parameter(value))
        else:
            module.register_buffer(last, value)
    return root


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that their pickles mention, as long as one is written."""

    class EasyDict(dict):  # type: ignore[type-arg]
        pass

    def _reconstruct_persistent_obj(about: object) -> None:
        raise AssertionError("this is what must not be called")

    for owner, thing in (("torch_utils.persistence", _reconstruct_persistent_obj), ("dnnlib.util", EasyDict)):
        thing.__module__, thing.__qualname__ = owner, thing.__name__
        module = ModuleType(owner)
        setattr(module, thing.__name__, thing)
        monkeypatch.setitem(sys.modules, owner, module)
        monkeypatch.setitem(sys.modules, owner.partition(".")[0], ModuleType("package"))


@pytest.mark.usefixtures("releases")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_pickle_gives_its_tensors_and_runs_nothing(
    family: str, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, mark = FAMILIES[family], tmp_path / "it ran"
    monkeypatch.setattr(Persistent, "source", f"open({str(mark)!r}, 'w')")
    options = sys.modules["dnnlib.util"].EasyDict(path="faces.zip", resolution=np.float64(32))
    networks = {"training_set_kwargs": options, "G": persistent({}), "G_ema": persistent(state), "harm": Harm(mark)}
    (tmp_path / "network.pkl").write_bytes(pickle.dumps(networks))
    monkeypatch.delitem(sys.modules, "torch_utils.persistence")
    torch.save(state, weights)
    found, wanted = prior_of(tmp_path / "network.pkl").state_dict(), prior_of(weights).state_dict()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    assert not mark.exists()


@pytest.mark.usefixtures("releases")
def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Beyond:
        def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
            return torch._utils._rebuild_tensor_v2, (torch.zeros(2)._typed_storage(), 1, (8,), (1,), False, {})

    network = Persistent()
    network._buffers["w_avg"] = Beyond()  # type: ignore[assignment]
    (tmp_path / "network.pkl").write_bytes(pickle.dumps({"G_ema": network}))
    with pytest.raises(InputError, match=r"does not read as a network pickle .* out of bounds"):
        prior_of(tmp_path / "network.pkl")


@pytest.mark.parametrize(
    ("name", "message"),
    [("network.pkl", "legacy.load_network_pkl"), ("renamed.pt", "not a readable"), ("archive.pt", "not a readable")],
)
def test_a_pickle_is_refused_and_runs_nothing(name: str, message: str, tmp_path: Path) -> None:
    mark, file = tmp_path / "it ran", tmp_path / name
    content = {"G_ema": Harm(mark), **tiny_stylegan2()}
    if name == "archive.pt":
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=message):
        prior_of(file)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Harm(mark)))
    assert mark.exists(), "the harm is real"
