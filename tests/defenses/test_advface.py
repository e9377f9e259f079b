"""AdvFace: the ball, what the noise does to the shadow, and what the adaptive attacker makes of it."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.nets.latent_noise import latent_noise
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import ATTACKS, DATASETS, DEFENSES
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import DefenseKnowledge
from systems import CPU, ToySystem, fit_defense, recognizer, small_defense
from torch import Tensor

SOME = torch.arange(90)


def protected(**settings: Any) -> tuple[Any, Tensor, Tensor]:
    """The defence, (90, D) clean embeddings of the victims, and what is stored of them."""
    system = ToySystem("advface", settings)
    clean = ToySystem("none").deployed_leak(SOME, split="victims")
    stored = system.deployed_leak(SOME, split="victims")
    assert isinstance(clean, Tensor)
    assert isinstance(stored, Tensor)
    return system.defense, clean, stored


def change(defense: Any, clean: Tensor, stored: Tensor) -> Tensor:
    """(N,) squared distance of the shadow's pictures of the clean and of the stored templates."""
    both = [defense.shadow(defense.standardize(z)) for z in (clean, stored)]
    return (both[0] - both[1]).square().flatten(1).sum(1)  # type: ignore[no-any-return]


@pytest.mark.parametrize("mode", ["direct", "cycle"])
def test_the_noise_fills_its_ball_and_never_leaves_it(mode: str) -> None:
    defense, clean, stored = protected(eps=0.4, mode=mode, renormalize=False)
    moved = ((stored - clean) * defense.standardize.scale).abs()
    assert float(moved.max()) <= 0.4 + 1e-4
    assert float(moved.mean()) > 0.3, "most coordinates end near the boundary"
    std = ToySystem("none").deployed_leak(torch.arange(150)).std(0, unbiased=False)  # type: ignore[union-attr]
    assert torch.allclose(1 / defense.standardize.scale, std, rtol=1e-3), "the unit is the spread on the train split"


def test_templates_are_unit_vectors_where_asked_and_score_the_same_either_way() -> None:
    (_, clean, raw), (_, _, unit) = protected(renormalize=False), protected()
    assert torch.allclose(unit.norm(dim=1), torch.ones(90))
    assert float((raw.norm(dim=1) - 1).abs().mean()) > 0.01
    assert torch.allclose(F.cosine_similarity(raw, clean), F.cosine_similarity(unit, clean), atol=1e-6)


def test_from_zero_the_direct_form_never_moves() -> None:
    defense, clean, _ = protected()
    u, zero = defense.standardize(clean), torch.zeros_like(clean)
    bound = torch.full((clean.shape[1],), 0.5)
    assert torch.equal(latent_noise(defense.increased(), u, zero, bound, 5), zero)
    assert float(latent_noise(defense.increased(), u, zero + 0.01, bound, 5).abs().mean()) > 0.2


def test_it_moves_the_shadow_more_than_random_signs_of_the_same_size() -> None:
    defense, clean, stored = protected(renormalize=False)
    size = (stored - clean).abs()
    signs = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)).sign()
    adversarial, random = change(defense, clean, stored), change(defense, clean, clean + size * signs)
    assert float((adversarial > random).float().mean()) > 0.9
    assert float(adversarial.mean()) > 2 * float(random.mean())


def test_the_cycle_form_moves_what_it_is_written_to_move() -> None:
    defense, clean, stored = protected(mode="cycle", renormalize=False)

    def cycle(z: Tensor) -> Tensor:
        picture = defense.shadow(defense.standardize(z))
        again = defense.shadow(defense.standardize(defense.recognizer(picture)))
        return (again - picture).square().flatten(1).sum(1)  # type: ignore[no-any-return]

    signs = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)).sign()
    assert float(cycle(stored).mean()) > float(cycle(clean + (stored - clean).abs() * signs).mean())
    assert float((cycle(stored) > cycle(clean)).float().mean()) > 0.9


def test_more_eps_is_less_likeness_and_less_of_a_picture() -> None:
    found = []
    for eps in (0.1, 0.5, 1.5):
        defense, clean, stored = protected(eps=eps)
        found.append((float(F.cosine_similarity(clean, stored).mean()), float(change(defense, clean, stored).mean())))
    assert found[0][0] > found[1][0] > found[2][0]
    assert found[0][1] < found[1][1] < found[2][1]
    assert abs(found[1][0] - 1 / 1.25**0.5) < 0.03, "noise of half the spread in every coordinate"


def test_the_recogniser_the_probe_and_the_wire_are_untouched() -> None:
    net = copy.deepcopy(recognizer("toy-a"))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    defense = fit_defense(DEFENSES.get("advface")(small_defense("advface") | {"mode": "cycle"}), net)
    system = ToySystem("none")
    images, draw = system.public.images(SOME), system.installation.draw(system.public.ids[SOME])
    defense.leak(images, Surface.TEMPLATE, draw)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(defense.leak(images, Surface.WIRE, draw), images)  # type: ignore[arg-type]
    assert torch.equal(defense.probe_images(images, draw), system.deployed_leak(SOME))  # type: ignore[arg-type]


def test_a_forward_only_recogniser_can_have_the_direct_form_only() -> None:
    forward = ToySystem("advface", recognizer="toy-forward").deployed_leak(SOME[:4])
    assert torch.equal(forward, ToySystem("advface").deployed_leak(SOME[:4]))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs gradients through the recogniser"):
        ToySystem("advface", {"mode": "cycle"}, recognizer="toy-forward")


def test_a_constant_coordinate_of_the_embedding_stays_constant() -> None:
    system = ToySystem("advface")
    defense = copy.deepcopy(system.defense)
    object.__setattr__(defense, "recognizer", system.recognizer)
    defense.standardize.scale[3] = 0.0
    z = ToySystem("none").deployed_leak(SOME)
    stored = defense.enroll(z, system.installation.draw(system.public.ids[SOME]))
    assert bool(torch.isfinite(stored).all())
    assert torch.allclose((stored / z)[:, 3], (stored / z)[:, 3].abs()), "only the norm changed"


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"eps": 0.0}, "eps must be positive"), ({"steps": 0}, "steps must be positive"), ({"size": 20}, "multiple of 8"),
     ({"mode": "both"}, "setting mode")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ToySystem("advface", settings)


def test_without_a_train_split_there_is_no_shadow() -> None:
    with pytest.raises(InputError, match="train split"):
        DEFENSES.get("advface")().fit(FitContext(recognizer("toy-a"), None, Rng(0), CPU, Progress()))


@functools.cache
def many_faces() -> FaceSet:
    """160 other people: a denoiser needs more of them than the template has coordinates."""
    data = DATASETS.get("toy-faces")({"identities": 200})
    table = data._index()
    pixels = torch.stack([torch.from_numpy(p) for p in data._read(table)]).float() / 255
    mine = pixels[240:]
    names = table.iloc[240:]
    return FaceSet("many", names["sample"].tolist(), names["identity"].tolist(), lambda i: mine[i], "many")


def denoise(system: ToySystem, knowledge: DefenseKnowledge = DefenseKnowledge.K1) -> tuple[Tensor, Tensor, Tensor]:
    """(90, D) clean, stored and denoised templates of victims; the decoder behind is left nearly untrained."""
    kind = ATTACKS.get("denoiser-decoder")
    settings = {"vector_steps": 150, "hidden": 64, "steps": 2, "width": 16, "weight_feature": 0.0,
                "presentations": 2}  # fmt: skip
    system.public = many_faces()
    context = system.context(kind.threat.with_defense(knowledge), Surface.TEMPLATE)
    attack = kind(settings).fit(context)
    clean = ToySystem("none").deployed_leak(SOME, split="victims")
    stored = system.deployed_leak(SOME, split="victims") if knowledge is DefenseKnowledge.K1 else clean
    found = attack.denoised(stored)
    assert isinstance(clean, Tensor)
    assert isinstance(stored, Tensor)
    return clean, stored, found


@pytest.mark.parametrize("eps", [0.5, 1.0])
def test_the_denoiser_brings_templates_nearer_to_the_clean_ones(eps: float) -> None:
    clean, stored, found = denoise(ToySystem("advface", {"eps": eps, "steps": 5}))
    before, after = (F.cosine_similarity(z, clean) for z in (stored, found))
    assert float(after.mean()) > float(before.mean()) + 0.02
    assert float((after > before).float().mean()) > 0.6


def test_where_there_is_nothing_to_gain_it_does_little_harm() -> None:
    """Toy templates fill their space evenly: isotropic noise cannot be told from them."""
    clean, stored, found = denoise(ToySystem("gaussian-noise", {"relative_noise": 0.7}))
    before, after = (float(F.cosine_similarity(z, clean).mean()) for z in (stored, found))
    assert after > before - 0.04


def test_the_denoiser_reads_bits_too() -> None:
    clean, _, found = denoise(ToySystem("biohash"))
    right, wrong = F.cosine_similarity(found, clean), F.cosine_similarity(found, clean.roll(7, 0))
    assert float(right.mean()) > float(wrong.mean()) + 0.3


def test_an_oblivious_denoiser_leaves_templates_as_they_are() -> None:
    clean, _, found = denoise(ToySystem("advface"), DefenseKnowledge.K0)
    assert float(F.cosine_similarity(found, clean).min()) > 0.98
