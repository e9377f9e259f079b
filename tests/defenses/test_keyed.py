"""Keys of persons: each template under its owner's key, and what is left when that key is stolen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from faceleak.bench.core.errors import NotApplicable
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.registry import ATTACKS, DEFENSES
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import DefenseKnowledge, RecognizerAccess, ThreatModel
from faceleak.bench.leak.leaked import leaked_set
from faceleak.bench.plan.cells import cells, levels
from faceleak.bench.plan.track import load_track
from faceleak.bench.prepare.session import Session
from faceleak.bench.store.store import Store
from faceleak.defenses.keyed import KeyedTemplate
from measuring import rows_of, system_case
from systems import TOY_TRACK, ToySystem

KEYED = [name for name in DEFENSES.names() if issubclass(DEFENSES.get(name), KeyedTemplate)]
SOME = torch.arange(60)
K1, K3 = DefenseKnowledge.K1, DefenseKnowledge.K3


def owned(name: str, people: torch.Tensor | None = None, key: int = 0):  # type: ignore[no-untyped-def]
    """A system with keys of persons, its templates of some pictures and the draw that they were made with."""
    system = ToySystem(name, {"key": "person"}, key=key)
    part = system.public
    draw = system.installation.draw(part.ids[SOME], 0, part.people[SOME] if people is None else people)
    return system, system.defense.leak(part.images(SOME), Surface.TEMPLATE, draw), draw


@pytest.mark.parametrize("name", KEYED)
def test_a_template_is_made_with_its_owners_key_whoever_stands_beside(name: str) -> None:
    system, templates, draw = owned(name)
    defense = system.defense
    z = defense.embed_images(system.public.images(SOME), draw)
    for rows in (slice(0, 1), slice(7, 23)):
        alone = defense.enroll(z[rows], draw.take(rows))
        torch.testing.assert_close(alone, templates[rows], msg="but for how a kernel rounds in another batch")
    first = draw.owners[0]
    own = defense.protect(z, draw.deployment.child("person", int(first)))
    assert torch.equal(templates[draw.owners == first], own[draw.owners == first])
    assert not torch.equal(templates[draw.owners != first], own[draw.owners != first]), "others have other keys"
    assert not torch.equal(owned(name, key=1)[1], templates), "a re-issued installation re-issues every key"


@pytest.mark.parametrize("name", KEYED)
def test_a_stolen_key_tells_what_no_other_key_does(name: str) -> None:
    system, templates, draw = owned(name)
    z = ToySystem("none").deployed_leak(SOME)
    stolen = F.cosine_similarity(system.defense.strip_key(templates, draw), z).mean()
    wrong = system.installation.draw(system.public.ids[SOME], 0, system.public.people[SOME] + 1)
    guessed = F.cosine_similarity(system.defense.strip_key(templates, wrong), z).mean()
    assert float(stolen) > 0.2
    assert float(guessed.abs()) < float(stolen) / 2


def test_signs_along_the_key_point_along_the_embedding() -> None:
    """BioHash: the cosine with R sign(R'z) is E|u| sqrt(D) = sqrt(2 / pi) for a random orthonormal R."""
    system, templates, draw = owned("biohash")
    z = ToySystem("none").deployed_leak(SOME)
    found = F.cosine_similarity(system.defense.strip_key(templates, draw), z)
    assert float(found.mean()) == pytest.approx((2 / torch.pi) ** 0.5, abs=0.03)


def test_keys_of_persons_have_levels_of_their_own() -> None:
    ridge = ATTACKS.get("linear-ridge")()
    one, own = (DEFENSES.get("biohash")({"key": key}) for key in ("installation", "person"))
    assert [level.value for level in levels(ridge, one, ())] == ["K0", "K1", "K2", "K3"]
    assert [level.value for level in levels(ridge, own, ())] == ["K0", "K1", "K3"]


def test_attacks_learn_from_what_they_will_be_handed() -> None:
    """With keys (K3): embeddings' directions, of own people as of victims; without (K1): bits under keys of many."""
    system = ToySystem("biohash", {"key": "person"})
    threat = ThreatModel(RecognizerAccess.BLACK_BOX)
    plain, stolen = (system.target(threat.with_defense(level)).pairs(SOME) for level in (K1, K3))
    assert (plain.dtype, plain.shape) == (torch.bool, (60, 32))
    z = ToySystem("none").deployed_leak(SOME)
    assert float(F.cosine_similarity(stolen, z).mean()) > 0.7
    asked = system.target(ThreatModel(RecognizerAccess.SCORES, K1))
    with pytest.raises(NotApplicable, match="holds no victim's key"):
        asked.scores(system.public.images(SOME[:1]), torch.zeros(1, dtype=torch.int64))


OWN = """
[[defenses]]
name = "biohash"
settings = { key = "person" }
surfaces = ["template"]
[[attacks]]
name = "linear-ridge"
knowledge = ["K1", "K3"]
"""


def test_a_track_steals_keys_and_impostors_do(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(TOY_TRACK + OWN)
    session = Session(load_track(str(tmp_path / "t.toml")), Store(tmp_path), torch.device("cpu"), Progress())
    utility, without, stolen = cells(session.track)
    system = session.defense(utility.defense, "a", 0)
    leaks = [leaked_set(session, system, cell, "victims", session.installation(0)).leak for cell in (without, stolen)]
    assert [leak.dtype for leak in leaks] == [torch.bool, torch.float32]
    rows = {row["metric"]: row for row in rows_of(system_case(session, utility, system), "stolen-keys", "verification")
            if row.get("fmr") in (None, 0.1)}  # fmt: skip
    assert rows["eer"]["value"] < rows["eer_stolen_key"]["value"] < 0.5, "two factors, and one of them stolen"
    stolen_key = rows["fmr_stolen_key"]
    honest = system_case(session, utility, system).impostors(system, "victims")[0]
    assert stolen_key["value"] > (honest > stolen_key["threshold"]).mean(), "impostors with the key pass more often"
