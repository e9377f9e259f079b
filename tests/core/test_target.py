"""The target grants what the threat model says, counts it, and refuses the rest by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from faceleak.attacks.base import Attack
from faceleak.bench.core.context import AttackContext
from faceleak.bench.core.errors import (
    BudgetError,
    ContractError,
    InputError,
    NoGradientError,
    NotApplicable,
    ThreatModelError,
)
from faceleak.bench.core.leaks import Leak
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import DefenseKnowledge, RecognizerAccess, ThreatModel
from systems import ToySystem

NONE, BLACK, WHITE = RecognizerAccess.NONE, RecognizerAccess.BLACK_BOX, RecognizerAccess.WHITE_BOX
K0, K1, K2, K3 = DefenseKnowledge


@pytest.fixture(scope="module")
def system() -> ToySystem:
    return ToySystem("biohash")


def test_black_box_is_answered_and_counted(system: ToySystem) -> None:
    target = system.target(ThreatModel(BLACK))
    assert target.embed(system.public.images(torch.arange(5))).shape == (5, 32)
    assert target.n_queries == 5
    target.public_embeddings()
    target.public_embeddings()
    assert target.n_queries == 5 + len(system.public)


@pytest.mark.parametrize("name", ["none", "biohash", "gaussian-noise", "random-mask"])
def test_scores_of_public_pictures_are_those_of_the_pictures(name: str) -> None:
    """Embedded once or anew: the same answers, the same count."""
    system = ToySystem(name)
    index, victims = torch.tensor([3, 0, 7]), torch.tensor([1, 1, 4])
    one, other = (system.target(ThreatModel(RecognizerAccess.SCORES)) for _ in range(2))
    public = one.public_scores(index, victims)
    assert torch.allclose(public, other.scores(system.public.images(index), victims), atol=1e-5)
    assert (one.n_queries, one.queries_per_victim) == (other.n_queries, other.queries_per_victim) == (3, 2)


@pytest.mark.parametrize(
    ("threat", "what", "names"),
    [
        (ThreatModel(NONE), lambda t, s: t.embed(s.public.images(torch.arange(1))), "black-box"),
        (ThreatModel(NONE), lambda t, s: t.public_embeddings(), "black-box"),
        (ThreatModel(NONE, K1), lambda t, s: t.pairs(torch.arange(2)), "black-box"),
        (ThreatModel(NONE, K1), lambda t, s: t.leak(s.public.images(torch.arange(1)), torch.arange(1)), "black-box"),
        (ThreatModel(NONE), lambda t, s: t.scores(s.public.images(torch.arange(1)), torch.tensor([0])), "scores"),
        (ThreatModel(NONE), lambda t, s: t.public_scores(torch.arange(1), torch.tensor([0])), "scores"),
        (ThreatModel(BLACK), lambda t, s: t.recognizer, "white-box"),
        (ThreatModel(WHITE, K1), lambda t, s: t.defense, "K2 or K3"),
        (ThreatModel(WHITE, K2), lambda t, s: t.secrets, "K3"),
    ],
)
def test_what_is_not_granted_raises_and_is_named(system: ToySystem, threat, what, names: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ThreatModelError, match=names):
        what(system.target(threat), system)


def test_white_box_has_gradients_and_forward_only_is_refused(system: ToySystem) -> None:
    x = system.public.images(torch.arange(2)).requires_grad_()
    system.target(ThreatModel(WHITE)).recognizer(x).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    forward_only = ToySystem("none", recognizer="toy-forward").target(ThreatModel(WHITE))
    with pytest.raises(NoGradientError, match="supply"):
        _ = forward_only.recognizer


def test_pairs_are_counted_once_each_and_the_budget_holds(system: ToySystem) -> None:
    target = system.target(ThreatModel(BLACK, K1, pairs=10))
    assert target.pair_budget == 10
    target.pairs(torch.arange(10))
    target.pairs(torch.arange(10), presentation=3)
    assert target.n_pairs == 10
    with pytest.raises(BudgetError, match=r"11 distinct .* grants 10"):
        target.pairs(torch.tensor([10]))


def test_queries_are_budgeted_per_victim(system: ToySystem) -> None:
    target = system.target(ThreatModel(RecognizerAccess.SCORES, K1, queries=2))
    picture = system.public.images(torch.arange(1))
    for _ in range(2):
        target.scores(picture, torch.tensor([0]))
    target.scores(picture, torch.tensor([1]))
    with pytest.raises(BudgetError, match="Victim 0 was queried 3 times"):
        target.scores(picture, torch.tensor([0]))


def test_knowledge_decides_which_pipeline_is_learnt(system: ToySystem) -> None:
    leaks = {k: system.target(ThreatModel(BLACK, k)).pairs(torch.arange(20)) for k in DefenseKnowledge}
    deployed = system.deployed_leak(torch.arange(20))
    assert leaks[K0].dtype is torch.float32, "oblivious: undefended embeddings"
    assert torch.equal(leaks[K1], deployed), "oracle: the deployed key"
    assert torch.equal(leaks[K3], deployed)
    assert not torch.equal(leaks[K2], deployed), "own key"


def test_sample_secrets_are_fresh_at_every_presentation_and_never_the_victims() -> None:
    noisy = ToySystem("gaussian-noise")
    target = noisy.target(ThreatModel(BLACK, K1))
    first, second = (target.pairs(torch.arange(4), presentation=p) for p in (0, 1))
    assert not torch.allclose(first, second)
    assert torch.equal(first, target.pairs(torch.arange(4), presentation=0))
    assert not torch.allclose(first, noisy.deployed_leak(torch.arange(4)))


class _Greedy(Attack):
    """Asks for more than it declares."""

    name = "greedy"
    threat = ThreatModel(BLACK)
    uses_pairs = True

    def _recover(self, leak: Leak, ids: torch.Tensor, index: torch.Tensor, context: AttackContext) -> Recovery:
        _ = context.target.recognizer
        return Recovery(torch.zeros(1, 3, 32, 32))


class _Short(_Greedy):
    """Loses a victim."""

    def _recover(self, leak: Leak, ids: torch.Tensor, index: torch.Tensor, context: AttackContext) -> Recovery:
        return Recovery(torch.zeros(1, 3, 32, 32))


def test_an_attack_that_asks_for_more_than_granted_is_stopped(system: ToySystem) -> None:
    context = system.context(ThreatModel(BLACK, K1))
    attack = _Greedy().fit(context)
    with pytest.raises(ThreatModelError, match="white-box"):
        attack.recover(system.deployed_leak(torch.arange(3)), torch.arange(3), context)


def test_an_attack_that_loses_a_victim_breaks_its_contract(system: ToySystem) -> None:
    context = system.context(ThreatModel(BLACK, K1))
    with pytest.raises(ContractError, match="1 recoveries for 3 leaks"):
        _Short().fit(context).recover(system.deployed_leak(torch.arange(3)), torch.arange(3), context)


def test_declared_access_beyond_the_grant_is_refused_before_any_work(system: ToySystem) -> None:
    with pytest.raises(ThreatModelError, match="grants 'none'"):
        _Greedy().fit(system.context(replace(ThreatModel(), defense=K1)))


def test_photographs_of_victims_are_for_ceilings_only(system: ToySystem) -> None:
    with pytest.raises(ThreatModelError, match="only ceiling rows"):
        system.context(ThreatModel(BLACK)).need_photographs("same")


def test_a_leak_of_another_shape_is_not_applicable(system: ToySystem) -> None:
    context = system.context(ThreatModel(BLACK, K1))
    with pytest.raises(NotApplicable, match="shape"):
        _Greedy().fit(context).recover(torch.zeros(2, 7), torch.arange(2), context)


def test_a_surface_that_the_attack_cannot_read_is_not_applicable(system: ToySystem) -> None:
    class TemplateOnly(_Greedy):
        surfaces = frozenset({Surface.TEMPLATE})

    with pytest.raises(NotApplicable, match="reads template"):
        TemplateOnly().fit(system.context(ThreatModel(BLACK), Surface.WIRE))


def test_a_partial_leak_is_the_same_coordinates_of_everybody(system: ToySystem) -> None:
    from dataclasses import replace

    threat = ThreatModel(BLACK, K1)
    whole = system.target(threat).pairs(torch.arange(8))
    target = system.target(replace(threat, part=0.25))
    part = target.pairs(torch.arange(8))
    assert part.shape == (8, round(0.25 * whole.shape[1]))
    assert torch.equal(part, target.cut(whole)), "victims lose the same coordinates"
    assert torch.equal(part[:3], target.pairs(torch.arange(3)))
    pictures = torch.zeros(2, 3, 4, 4)
    assert target.cut(pictures) is pictures


def test_one_name_for_many_pictures_is_many_pairs(system: ToySystem) -> None:
    target = system.target(ThreatModel(BLACK, K1, pairs=3))
    with pytest.raises(BudgetError, match=r"4 distinct .* grants 3"):
        target.leak(system.public.images(torch.arange(4)), torch.zeros(4, dtype=torch.int64))


@pytest.mark.parametrize("victims", [torch.tensor([-1]), torch.tensor([0.0]), torch.tensor([True])])
def test_a_victim_has_one_name(system: ToySystem, victims: torch.Tensor) -> None:
    target = system.target(ThreatModel(RecognizerAccess.SCORES, K1, queries=2))
    with pytest.raises(InputError, match="positions"):
        target.scores(system.public.images(torch.arange(1)), victims)


def test_no_gradient_comes_back_through_answers(system: ToySystem) -> None:
    """It would be white box."""
    x = system.public.images(torch.arange(2)).requires_grad_()
    target = system.target(ThreatModel(BLACK, K1))
    target.enrol(system.deployed_leak(torch.arange(2)))
    victims = torch.arange(2)
    for answer in (target.leak(x, victims), target.query(x, victims), target.embed(x)):
        assert isinstance(answer, torch.Tensor)
        assert not answer.requires_grad
