"""The standard ensemble: who runs, who is chosen, by what; and that no judge has a say in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from faceleak.attacks.base import Attack
from faceleak.bench.core.errors import ContractError, NotApplicable
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.registry import ATTACKS, RECOGNIZERS
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.core.threat import RecognizerAccess, ThreatModel
from faceleak.bench.plan.cells import Cell, cells
from faceleak.bench.plan.ensemble import Candidate, choose
from faceleak.bench.plan.track import load_track
from faceleak.bench.prepare.session import Session
from faceleak.bench.recover.attack import run_attack
from faceleak.bench.recover.ensemble import run_ensemble
from faceleak.bench.run.cell import cell_key, run_cell
from faceleak.bench.run.collect import collect
from faceleak.bench.store.store import Store
from systems import TOY_TRACK
from torch import Tensor, nn


@dataclass(frozen=True)
class HalfSettings:
    odd: int = 0


class Half(Attack):
    """Perfect on every other victim; of the others it knows nothing and shows grey."""

    surfaces = frozenset({Surface.TEMPLATE})
    Settings = HalfSettings
    settings: HalfSettings
    z: Tensor
    pictures: Tensor

    def _recover(self, leak: Any, ids: Tensor, index: Tensor, context: Any) -> Recovery:
        nearest = (leak @ self.z.T).argmax(1)
        known = (nearest // 6) % 2 == self.settings.odd
        return Recovery(torch.where(known[:, None, None, None], self.pictures[nearest], torch.tensor(0.5)))


class Learns(Attack):
    """Counts how often it is fitted; recovers grey."""

    threat = ThreatModel(recognizer=RecognizerAccess.BLACK_BOX)
    surfaces = frozenset({Surface.TEMPLATE})
    trained = True
    fits = 0

    def _build(self, context: Any) -> None:
        self.weight = nn.Parameter(torch.zeros(1))

    def _fit(self, context: Any) -> None:
        type(self).fits += 1

    def _recover(self, leak: Any, ids: Tensor, index: Tensor, context: Any) -> Recovery:
        return Recovery(torch.full((len(index), 3, 16, 16), 0.5))


class Peeks(Attack):
    """Asks for secrets that are not granted."""

    def _recover(self, leak: Any, ids: Tensor, index: Tensor, context: Any) -> Recovery:
        return Recovery(context.target.secrets)


class Misfit(Attack):
    """Cannot read the leak."""

    def _recover(self, leak: Any, ids: Tensor, index: Tensor, context: Any) -> Recovery:
        raise NotApplicable("misfit reads something else.")


class Diverged(Attack):
    """Hands back no numbers."""

    def _recover(self, leak: Any, ids: Tensor, index: Tensor, context: Any) -> Recovery:
        return Recovery(torch.full((len(index), 3, 32, 32), torch.nan))


class Deaf(RECOGNIZERS.get("toy-b")):  # type: ignore[misc]
    """A judge that must not be asked."""

    def _embed(self, x: Tensor) -> Tensor:
        raise AssertionError("the judge was asked")


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-ins, registered for this file only: contract tests run whatever is registered."""
    for kind in (Half, Learns, Peeks, Misfit, Diverged):
        kind.name = kind.__name__.lower()
        monkeypatch.setitem(ATTACKS._items, kind.name, kind)
    Deaf.name = "deaf"
    monkeypatch.setitem(RECOGNIZERS._items, "deaf", Deaf)
    monkeypatch.setattr(Learns, "fits", 0)


ATTACK_LINES = """
[[defenses]]
name = "none"
surfaces = ["template"]
[[attacks]]
name = "half"
label = "odd"
settings = { odd = 1 }
[[attacks]]
name = "half"
label = "even"
[[attacks]]
name = "learns"
[[attacks]]
name = "peeks"
[[attacks]]
name = "misfit"
[[attacks]]
name = "diverged"
[[attacks]]
name = "same-photo"
[[attacks]]
name = "identity-extraction"
settings = { vector_steps = 300, width = 64, batch = 32 }
[[attacks]]
name = "standard-ensemble"
members = ["*"]
"""
OWN = '[recognizers.own]\ntype = "toy-b"\n[[targets]]\nsurrogate = "own"\n'


def opened(
    folder: Path, store: Path, *, surrogate: bool = True, judge: str = "deaf", attacks: str = ATTACK_LINES
) -> Session:
    text = TOY_TRACK.replace('[recognizers.b]\ntype = "toy-b"', f'[recognizers.b]\ntype = "{judge}"')
    text = text.replace("[[targets]]\n", OWN) if surrogate else text
    (folder / "t.toml").write_text(text + attacks)
    session = Session(load_track(str(folder / "t.toml")), Store(store), torch.device("cpu"), Progress())
    parts = [session.faces(name) for name in ("victims", "calibration")]
    Half.pictures = torch.cat([faces.images(torch.arange(len(faces))) for faces in parts])
    Half.z = torch.cat([session.embeddings("a", faces.name) for faces in parts])
    return session


@pytest.fixture
def session(tmp_path: Path, shared_store: Path) -> Session:
    return opened(tmp_path, shared_store)


def ensemble_of(session: Session) -> Cell:
    (found,) = (cell for cell in cells(session.track) if cell.members)
    return found


@pytest.mark.parametrize("surrogate", [True, False])
def test_members_that_are_perfect_on_halves_are_perfect_together(
    tmp_path: Path, shared_store: Path, surrogate: bool
) -> None:
    """Each victim's picture is the right one; the judge, which would raise, has no part in it."""
    session = opened(tmp_path, shared_store, surrogate=surrogate)
    outcome = run_ensemble(session, ensemble_of(session))
    for split in ("victims", "calibration"):
        part, images = outcome.leaked[split], outcome.recoveries[split].images
        assert images is not None
        assert torch.equal(images, part.faces.images(part.index)), split
    share = {
        title: won if isinstance(won, str) else float(won.double().mean()) for title, won in outcome.chosen.items()
    }
    assert share == {  # a ceiling is no member
        "even": 0.5, "odd": 0.5, "learns": 0.0, "peeks": "refused", "misfit": "not-applicable", "diverged": "failed",
    }  # fmt: skip
    # Without a recogniser of its own it asks the attacked one: of three pictures per leak, and to learn who is who.
    asked = 3 * sum(len(part.index) for part in outcome.leaked.values()) + len(session.faces("public"))
    assert outcome.n_queries == (0 if surrogate else asked)


def test_the_order_of_the_members_changes_nothing(session: Session) -> None:
    cell = ensemble_of(session)
    one, two = (run_ensemble(session, replace(cell, members=order)) for order in (cell.members, cell.members[::-1]))
    assert list(one.chosen) == list(two.chosen)
    assert all(torch.equal(*map(torch.as_tensor, (one.chosen[name], two.chosen[name]))) for name in ("even", "odd"))
    assert torch.equal(*(found.recoveries["victims"].images for found in (one, two)))  # type: ignore[arg-type]
    assert cell_key(session, cell) == cell_key(session, replace(cell, members=cell.members[::-1]))
    assert cell_key(session, cell) != cell_key(session, replace(cell, members=cell.members[1:]))


def test_what_members_have_learnt_is_not_learnt_again(tmp_path: Path) -> None:
    lines = ATTACK_LINES.replace('["*"]', '["learns"]')
    session = opened(tmp_path, tmp_path / "store", attacks=lines.replace("vector_steps = 300", "vector_steps = 15"))
    cell = ensemble_of(session)
    planned = next(one for one in cells(session.track) if one.attack and one.attack.title == "learns")
    run_attack(session, planned)
    run_ensemble(session, cell)
    assert Learns.fits == 1


def test_without_a_member_that_applies_the_cell_says_who_was_tried(tmp_path: Path, shared_store: Path) -> None:
    lines = ATTACK_LINES.replace('["*"]', '["misfit", "peeks"]')
    session = opened(tmp_path, shared_store, attacks=lines)
    with pytest.raises(NotApplicable, match=r"misfit: misfit reads something else.*peeks: .*secrets"):
        run_ensemble(session, ensemble_of(session))


def test_its_cell_is_scored_like_any_other_and_names_its_members(tmp_path: Path, shared_store: Path) -> None:
    session = opened(tmp_path, shared_store, judge="toy-b")
    assert run_cell(session, ensemble_of(session), tmp_path / "cell", Progress())
    rows = json.loads((tmp_path / "cell" / "rows.json").read_text())
    found = {(row["metric"], row.get("judge") or None, row.get("fmr"), row.get("split")): row for row in rows}
    assert found["sar_type1", "b", 0.01, "victims"]["value"] == 1.0
    assert found["sar_type2", "b", 0.01, "calibration"]["status"] == "ok"
    assert found["chosen_even", None, None, "victims"]["value"] == 0.5
    assert found["chosen_peeks", None, None, "victims"]["status"] == "refused"
    assert {row["recognizer_access"] for row in rows} == {"black-box"}, "what the strongest member has"


def test_an_ensemble_does_not_hide_that_a_black_box_beats_a_white_one(tmp_path: Path) -> None:
    base = {"recognizer": "a", "defense": "none", "surface": "template", "seed": 0, "status": "ok", "split": "victims",
            "knowledge": "K0", "flags": ""}  # fmt: skip
    for name, access, value in (("w", "white-box", 0.2), ("b", "black-box", 0.8), ("all", "white-box", 0.8)):
        mine = base | {"attack": name, "cell": name, "recognizer_access": access}
        sar = {"metric": "sar_type1", "judge": "a", "fmr": 0.01, "value": value, "ci_lo": value - 0.1}
        rows = [mine | {"metric": "psnr"}, mine | sar | {"ci_hi": value + 0.1}]
        rows += [mine | {"metric": "chosen_b", "value": 1.0}] if name == "all" else []
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.json").write_text(json.dumps(rows))
        (tmp_path / name / "state.json").write_text(json.dumps({"status": "ok", "cell": {}}))
    raised = {row["cell"]: row["flags"] for row in collect(tmp_path, ["w", "b", "all"]).rows}
    assert raised == {"w": "F2", "b": "", "all": ""}


def test_a_cosine_that_is_no_number_never_wins_and_holes_are_filled() -> None:
    wanted = torch.eye(3)
    pictures = torch.zeros(3, 3, 2, 2)
    # Of the two, it is right about the third and wrong about the first, but not as wrong as the others.
    answers = {0.0: torch.full((3, 3), torch.nan), 0.25: -wanted, 0.5: wanted[[2, 1]]}
    candidates = [
        Candidate("nan", torch.arange(3), pictures),
        Candidate("worst", torch.arange(3), pictures + 0.25),
        Candidate("two only", torch.tensor([2, 0]), pictures[:2] + 0.5),
    ]
    images, winner = choose(candidates, wanted, lambda y: answers[float(y[0, 0, 0, 0])])
    assert winner.tolist() == [2, 1, 2]
    assert images[:, 0, 0, 0].tolist() == [0.5, 0.25, 0.5]
    with pytest.raises(ContractError, match="picture of 1 of the leaks"):
        choose(candidates[2:], wanted, lambda y: answers[0.5])
