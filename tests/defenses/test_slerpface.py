"""SlerpFace: the rotation, the dropping, and that the key beside the template gives the rotation away."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import DEFENSES
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.defenses.slerpface import slerp
from systems import CPU, ToySystem, recognizer
from torch import Tensor

SOME = torch.arange(150)
PLAIN = {"attention": "uniform", "groups": 8}  # eight groups of 16 out of 32 dimensions, orthonormal


def _unit(*shape: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def _grouped(leak: Tensor, groups: int = 8) -> Tensor:
    return leak.unflatten(1, (groups, 16))


def test_slerp_ends_keeps_length_and_goes_at_constant_speed() -> None:
    f, k = _unit(50, 4, 16), _unit(50, 4, 16, seed=1)
    assert torch.allclose(slerp(f, k, torch.zeros(50, 4)), f, atol=1e-5)
    assert torch.allclose(slerp(f, k, torch.ones(50, 4)), k, atol=1e-5)
    whole = (f * k).sum(2).arccos()
    for share in (0.1, 0.5, 0.9):
        p = slerp(f, k, torch.full((50, 4), share))
        assert torch.allclose(p.norm(dim=2), torch.ones(50, 4), atol=1e-5)
        assert torch.allclose((f * p).sum(2).arccos(), share * whole, atol=1e-3)


def test_slerp_of_equal_and_opposite_vectors_is_finite() -> None:
    f = _unit(5, 3, 16)
    half = torch.full((5, 3), 0.5)
    assert torch.allclose(slerp(f, f, half), f, atol=1e-3)
    assert bool(torch.isfinite(slerp(f, -f, half)).all())


def test_alpha_equal_to_the_attention_leaves_the_groups_alone() -> None:
    system = ToySystem("slerpface", PLAIN | {"alpha": 1 / 8, "dropped_low": 0, "dropped_high": 0})
    stored = system.deployed_leak(SOME)
    f, a = system.defense.grouped(ToySystem("none").deployed_leak(SOME))
    assert torch.allclose(a, torch.full((150, 8), 1 / 8))
    assert torch.allclose(_grouped(stored["protected"]), f / 8, atol=1e-5)


def test_what_is_stored_is_what_the_definition_says() -> None:
    system = ToySystem("slerpface")
    stored = system.deployed_leak(SOME)
    protected, key = _grouped(stored["protected"], 2), _grouped(stored["key"], 2)
    _, a = system.defense.grouped(ToySystem("none").deployed_leak(SOME))
    assert torch.allclose(key.norm(dim=2), torch.ones(150, 2), atol=1e-5)
    assert torch.allclose(protected.norm(dim=2), a, atol=1e-5)
    assert torch.allclose(a.sum(1), torch.ones(150), atol=1e-5)
    # d draws with replacement leave 16 (15 / 16)^d: 7.4 of 16 in the group of less attention, 12.4 in the other.
    left = (protected != 0).sum(2).float()
    low = a < a.amax(1, keepdim=True)
    assert low.sum(1).eq(1).all()
    assert abs(float(left[low].mean()) - 16 * (15 / 16) ** 12) < 0.4
    assert abs(float(left[~low].mean()) - 16 * (15 / 16) ** 4) < 0.3
    assert float(left.min()) >= 4


def test_uniform_attention_drops_little_everywhere_and_needs_no_faces() -> None:
    context = FitContext(recognizer("toy-a"), None, Rng(0), CPU, Progress())
    with pytest.raises(InputError, match=r"attention = 'uniform' it learns nothing.*; give the track a train split"):
        DEFENSES.get("slerpface")().fit(context)
    defense = DEFENSES.get("slerpface")(PLAIN).fit(context)
    draw = ToySystem("none").installation.draw(SOME)
    left = (_grouped(defense.enroll(_unit(150, 32), draw)["protected"]) != 0).sum(2)
    assert int(left.min()) >= 12


def test_the_head_is_learnt_from_the_train_split() -> None:
    learnt = ToySystem("slerpface", {"groups": 4, "steps": 100, "margin": 0.0}).defense
    z = ToySystem("none").deployed_leak(SOME)
    assert learnt.log is not None
    assert learnt.log.losses[-1] < 0.8 * learnt.log.losses[0]
    assert float(learnt.grouped(z)[1].std(0).max()) > 0, "the attention depends on the face"


def test_the_score_is_the_attention_where_the_same_photograph_returns() -> None:
    """<p_g, q_g> = a_g for the same embedding, hence 1 in all, whatever the key and the zeros."""
    system = ToySystem("slerpface")
    images, ids = system.public.images(SOME), system.public.ids
    draws = [system.installation.draw(ids, p) for p in (0, 1)]
    assert torch.allclose(system.defense.score(images, images, (draws[0], draws[1])), torch.ones(150), atol=1e-4)


def test_another_draw_changes_everything_but_the_attention() -> None:
    system = ToySystem("slerpface", PLAIN)
    images, ids = system.public.images(SOME), system.public.ids
    first, second = (system.defense.leak(images, Surface.TEMPLATE, system.installation.draw(ids, p)) for p in (0, 1))
    for name in ("protected", "key"):
        assert abs(float(F.cosine_similarity(first[name], second[name]).mean())) < 0.1
    mixed = {"protected": first["protected"], "key": second["key"]}
    probes = system.defense.probe_images(images, system.installation.draw(ids, 2))
    assert float(system.defense.compare(mixed, probes).max()) < float(system.defense.compare(first, probes).min())


def test_the_stored_key_gives_the_rotation_away_without_dropping() -> None:
    system = ToySystem("slerpface", PLAIN | {"dropped_low": 0, "dropped_high": 0})
    stored = system.deployed_leak(SOME)
    p, key = _grouped(stored["protected"]), _grouped(stored["key"])
    a = p.norm(dim=2)
    # p lies (1 - t) of the angle away from the key: going back 1 / (1 - t) times as far meets f.
    t = 0.9 - a
    back = slerp(key, F.normalize(p, dim=2), 1 / (1 - t))
    truth, _ = system.defense.grouped(ToySystem("none").deployed_leak(SOME))
    assert float((back * truth).sum(2).min()) > 0.999


def test_the_stored_key_gives_the_surviving_dimensions_away_but_for_one_direction() -> None:
    system = ToySystem("slerpface", PLAIN)
    stored = system.deployed_leak(SOME)
    p, key = _grouped(stored["protected"]), _grouped(stored["key"])
    z = ToySystem("none").deployed_leak(SOME)
    truth, _ = system.defense.grouped(z)
    kept = p != 0
    assert not bool(kept.all())

    def beside_the_key(x: Tensor) -> Tensor:
        k = F.normalize(key * kept, dim=2)
        return F.normalize(x * kept - (x * k).sum(2, keepdim=True) * k, dim=2)

    recovered = beside_the_key(p)
    assert float((recovered * beside_the_key(truth)).sum(2).min()) > 0.999
    # And that is most of the embedding: the mixing is public, its transpose undoes it.
    guess = recovered.flatten(1) @ system.defense.mix.weight
    naive = stored["protected"] @ system.defense.mix.weight
    better, plain = (float(F.cosine_similarity(found, z).mean()) for found in (guess, naive))
    assert better > 0.85
    assert better > plain + 0.3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": 17}, r"group must lie in 2\.\.16"),
        ({"group": 1}, r"group must lie in 2\.\.16"),
        ({"dropped_low": 16}, "so that a dimension survives, got 4 and 16"),
        ({"dropped_high": 13}, "so that a dimension survives, got 13 and 12"),
        ({"alpha": 0.0}, r"alpha must lie in \(0, 1\]"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ToySystem("slerpface", settings)


def test_more_groups_than_the_embedding_has_room_for_are_possible() -> None:
    stored = ToySystem("slerpface", {"groups": 49, "steps": 2}).deployed_leak(SOME)
    assert stored["protected"].shape == (150, 784)
    assert math.isclose(float(_grouped(stored["protected"], 49).norm(dim=2).sum(1).mean()), 1, abs_tol=1e-4)
