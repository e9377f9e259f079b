"""Several leaks of each victim: which photographs, what is put together how, and that more of them tell more."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import DataError, NotApplicable
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import ThreatModel
from faceleak.bench.isolation.views import combined, further_views, mean_leak, recover_leaks
from faceleak.bench.leak.leaked import LeakedSet, first_images
from faceleak.bench.plan.track import AttackSpec
from systems import ToySystem, faces, recognizer

VICTIMS = faces()["victims"]
FIRST = first_images(VICTIMS, 1, 99)
ONCE = torch.zeros(len(FIRST), dtype=torch.int64)


def spec(**more: object) -> AttackSpec:
    return AttackSpec.model_validate({"name": "linear-ridge", **more})


def test_views_of_a_photograph_are_fresh_presentations_of_it() -> None:
    index, presentation = FIRST.repeat(5), torch.arange(5).repeat_interleave(len(FIRST))
    found = further_views(VICTIMS, index, presentation, spec(views=4), randomised=True)
    assert len(found) == 3
    assert all(torch.equal(photographs, index) for photographs, _ in found)
    seen = torch.stack([presentation, *(times for _, times in found)])
    assert len(seen[:, :: len(FIRST)].unique()) == 20, "no draw of the secrets is seen twice"
    with pytest.raises(NotApplicable, match="views_of = 'person'"):
        further_views(VICTIMS, FIRST, ONCE, spec(views=4), randomised=False)
    assert further_views(VICTIMS, FIRST, ONCE, spec(), randomised=False) == []


def test_views_of_a_person_are_other_photographs_and_never_the_judges_last_one() -> None:
    found = further_views(VICTIMS, FIRST, ONCE, spec(views=5, views_of="person"), randomised=False)
    shown = torch.stack([FIRST, *(photographs for photographs, _ in found)])
    assert (VICTIMS.labels[shown] == VICTIMS.labels[FIRST]).all()
    assert all(len(column.unique()) == 5 for column in shown.T)
    last = {int(label): i for i, label in enumerate(VICTIMS.labels)}
    assert not set(shown.flatten().tolist()) & set(last.values())
    with pytest.raises(DataError, match=r"has 6 photographs in split 'victims', 6 views of a person take 7"):
        further_views(VICTIMS, FIRST, ONCE, spec(views=6, views_of="person"), randomised=True)


def _z(seed: int, n: int = 3) -> torch.Tensor:
    return F.normalize(Rng(seed, "z").normal(torch.arange(n), (8,)), dim=1)


def test_embeddings_are_averaged_and_pictures_chosen() -> None:
    pictures = torch.rand(3, 5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    odd = [_z(1), _z(1), _z(2)]  # the third view disagrees
    views = [Recovery(x, z, "surrogate") for x, z in zip(pictures[:, :3], odd)]
    found = combined(views)
    assert found.space == "surrogate"
    assert found.embeddings is not None
    assert torch.allclose(found.embeddings, F.normalize(2 * _z(1) + _z(2), dim=1), atol=1e-6)
    assert torch.equal(found.images, pictures[0, :3])  # type: ignore[arg-type]
    alone = combined([Recovery(x) for x in (pictures[0], pictures[1], pictures[0] * 0.5 + pictures[1] * 0.5)])
    assert torch.equal(alone.images, pictures[0] * 0.5 + pictures[1] * 0.5), "closest to the mean picture"  # type: ignore[arg-type]
    judged = combined([Recovery(x) for x in pictures], recognizer("toy-b"))
    assert judged.images is not None
    assert all(any(torch.equal(judged.images[i], view[i]) for view in pictures) for i in range(5)), "one of the views"
    opposite = combined([Recovery(embeddings=_z(1), space="target"), Recovery(embeddings=-_z(1), space="target")])
    assert opposite.embeddings is not None
    assert torch.allclose(opposite.embeddings, _z(1))
    read = [Recovery(attributes={"hat": torch.tensor([[a, 1 - a]])}) for a in (0.9, 0.1, 0.2)]
    assert combined(read).attributes["hat"].tolist()[0] == pytest.approx([0.4, 0.6])  # type: ignore[index]


def test_the_mean_of_leaks_keeps_their_names() -> None:
    leaks = [{"a": torch.full((2, 3), value), "b": torch.ones(2, 1)} for value in (1.0, 4.0)]
    found = mean_leak(list(leaks))
    assert isinstance(found, dict)
    assert found["a"].tolist() == [[2.5] * 3] * 2
    assert found["b"].shape == (2, 1)


def test_more_views_of_a_noisy_template_tell_more() -> None:
    system = ToySystem("gaussian-noise", {"relative_noise": 2.0})
    threat = replace(ATTACKS.get("identity-extraction").threat, views=16)
    context = system.context(threat)
    attack = ATTACKS.get("identity-extraction")({"vector_steps": 300, "vector_lr": 0.01, "width": 16}).fit(context)
    truth = system.recognizer.embed(VICTIMS.images(FIRST))

    def leaked(times: torch.Tensor, more: tuple[LeakedSet, ...] = ()) -> LeakedSet:
        draw = system.installation.draw(VICTIMS.ids[FIRST], times)
        leak = system.defense.leak(VICTIMS.images(FIRST), Surface.TEMPLATE, draw)
        return LeakedSet(VICTIMS, FIRST, times, leak, more)

    for joined in ("recoveries", "leaks"):
        cosine = {}
        for views in (1, 4, 16):
            entry = spec(views=views, views_joined=joined)
            more = further_views(VICTIMS, FIRST, ONCE, entry, randomised=True)
            part = leaked(ONCE, tuple(leaked(times) for _, times in more))
            held = (part, *part.more)
            ids = [VICTIMS.ids[view.index] for view in held]
            found = recover_leaks(attack, [view.leak for view in held], ids, context, joined)
            assert found.embeddings is not None
            assert len(found) == len(FIRST)
            cosine[views] = float((found.embeddings * truth).sum(1).mean())
        assert cosine[1] + 0.05 < cosine[4], (joined, cosine)
        assert cosine[4] + 0.01 < cosine[16], (joined, cosine)


def test_the_row_s_name_says_how_many_views() -> None:
    assert [spec(views=views).title for views in (1, 16)] == ["linear-ridge", "linear-ridge (16 views)"]
    assert "views=16" in str(ThreatModel(views=16))


def test_a_photograph_that_another_view_leaked_is_nobody_s_other_photograph() -> None:
    set_of_two = FaceSet(
        "victims", ["a/0", "a/1", "a/2"], ["a"] * 3, lambda index: torch.zeros(len(index), 3, 8, 8), ""
    )
    found = further_views(
        set_of_two, torch.tensor([1]), torch.zeros(1, dtype=torch.int64), spec(views=2, views_of="person"), False
    )
    assert [photographs.tolist() for photographs, _ in found] == [[0]], "round to the first, the last is the judges'"
