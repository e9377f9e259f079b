"""Trained picture attacks begin at ridge regression and are never below it on public people they did not learn from."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from faceleak.attacks.inversion import staged
from faceleak.attacks.linear_ridge import ridge_to_pictures
from faceleak.bench.core.nets.begun import PRICE, Begun
from faceleak.bench.core.people import held_out
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.threat import DefenseKnowledge
from systems import ToySystem, small

BEGUN = ("decoder", "decoder-id", "nbnet", "denoiser-decoder", "template-map", "score-regression")


@pytest.mark.parametrize("name", BEGUN)
def test_a_trained_attack_is_never_below_its_start(name: str) -> None:
    system = ToySystem("none")
    context = system.with_surrogate(system.context(ATTACKS.get(name).threat.with_defense(DefenseKnowledge.K0)))
    attack = ATTACKS.get(name)(small(name)).fit(context)
    drawing = attack.draw if hasattr(attack, "draw") else attack
    rows = held_out(system.public.labels).nonzero()[:, 0]
    z = system.recognizer.embed(system.public.images(rows))
    own = context.surrogate_embeddings()[rows]
    read = drawing.standardize(own) if hasattr(attack, "draw") else attack.inputs(z)
    if name == "denoiser-decoder":
        read = attack.clean(z)
    truth = system.public.resized(rows, context.resolution)

    def judged(y: torch.Tensor) -> tuple[float, float]:
        alike = F.cosine_similarity(context.surrogate.embed(y), own, dim=1)
        return float(alike.mean()), float((y - truth).abs().mean())

    with torch.no_grad():
        (alike, apart), (alike_0, apart_0) = judged(drawing.net(read)), judged(drawing.net.start(read))
    assert alike >= alike_0 - 1e-6
    assert apart <= apart_0 * (1 + PRICE * (alike > alike_0)) + 1e-6, "likeness may cost a little, nothing else may"


def test_what_only_does_harm_is_given_up_and_said() -> None:
    system = ToySystem("none")
    context = system.context(ATTACKS.get("decoder").threat)
    attack = ATTACKS.get("decoder")(small("decoder") | {"lr": 3.0, "steps": 12}).fit(context)
    assert attack.log is not None
    assert attack.log.kept == 0
    leak = system.deployed_leak(torch.arange(20), split="victims")
    ridge = ATTACKS.get("linear-ridge")().fit(context)
    found = [one.recover(leak, torch.arange(20), context).images for one in (attack, ridge)]
    assert torch.allclose(*found, atol=1e-5)


def test_the_line_has_not_seen_the_people_by_whom_it_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ridge regression of all people is nearest to those it was made from: no stranger's gain would look like one."""
    system = ToySystem("none")
    context = system.context(ATTACKS.get("decoder").threat)
    judged: list[torch.Tensor] = []
    monkeypatch.setattr(Begun, "settle", lambda net, *about: judged.append(net.weight.clone()) or 0.5)
    attack = ATTACKS.get("decoder")(small("decoder")).fit(context)
    z = attack.inputs(context.target.all_pairs())
    learn = (~held_out(system.public.labels)).nonzero()[:, 0]
    weight, _ = ridge_to_pictures(z[learn], context, index=learn)
    assert torch.allclose(judged[0], weight, atol=1e-5)
    assert not torch.allclose(judged[0], ridge_to_pictures(z, context)[0], atol=1e-5)
    assert torch.equal(attack.net.weight, judged[0]), "what is kept stays on the line that it was learnt on"


def test_stages_share_the_steps() -> None:
    def loss(y: torch.Tensor, x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return y.mean()

    assert [stage.steps for stage in staged(10, 0.7, loss, loss)] == [7, 3]
    assert [stage.steps for stage in staged(10, 0.7, loss, None)] == [10]
    assert [stage.steps for stage in staged(10, 1.0, loss, loss)] == [10]
