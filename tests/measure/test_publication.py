"""Published pictures measured: rates with known answers on toy faces."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.faces import FaceSet
from faceleak.bench.core.leaks import Leak
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.secrets import SecretDraw, SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Goal, Surface
from faceleak.bench.leak.leaked import first_images
from faceleak.bench.leak.published import published
from faceleak.bench.measure.case import Case
from faceleak.bench.measure.publication import edits, geometry
from faceleak.bench.measure.publication.keys import one_bit_off
from faceleak.bench.plan.cells import cells
from faceleak.bench.plan.track import load_track
from faceleak.bench.prepare.session import Session
from faceleak.bench.record.results import read_results, write_results
from faceleak.bench.run.runner import RunOptions, run_track
from faceleak.bench.run.verify import verify_run
from faceleak.bench.store.store import Store
from faceleak.defenses.base import Defense
from measuring import rows_of, system_case
from systems import TOY_TRACK, toy_attributes
from torch import Tensor

PUBLISHED = 12
OWN = "protector:b"
MEASURED = ("stated", "found", "looks", "edits", "geometry", "keys")


class Untouched(Defense):
    """Publishes the photograph itself; its key is nothing."""

    name = "untouched"
    goal = Goal.LOCK
    protects = Surface.IMAGE
    calls: ClassVar[list[int]] = []

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        self.calls.append(len(images))
        return images

    def make_key(self, images: Tensor, secret: SecretDraw) -> Leak:
        return torch.zeros(len(images), 2, dtype=torch.uint8)

    def recover(self, published: Tensor, key: Leak) -> Tensor:
        return published


class Hidden(Untouched):
    """Publishes grey; the key is the picture and a mark that must be right."""

    name = "hidden"

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        return torch.full_like(images, 0.5)

    def make_key(self, images: Tensor, secret: SecretDraw) -> Leak:
        return {"picture": images, "mark": secret.ids[:, None]}

    def recover(self, published: Tensor, key: Leak) -> Tensor:
        assert isinstance(key, dict)
        return key["picture"].clamp(0, 1)

    def round_trip(self, images: Tensor) -> Tensor:
        return (images * 15).round() / 15


class Exchanged(Untouched):
    """Publishes a photograph of a decoy, the one that the search saw."""

    name = "exchanged"
    goal = Goal.CLOAK

    def decoys(self) -> Tensor:
        return torch.tensor([3])

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        return self.face.expand_as(images)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("publication")
    text = TOY_TRACK.replace("identities = 84", "identities = 114").replace(
        "[splits]", "[splits]\ntrain = { identities = 30, images = 6 }"
    )
    text = text.replace(
        "pictures = 2", f'pictures = 2\nmeasures = "publication"\npublished_victims = {PUBLISHED}\nprotectors = ["b"]'
    )
    text += '[[defenses]]\nname = "tip-im"\nsettings = { steps = 6, targets = 2, epsilon = 0.3 }\n'
    text += '[[attacks]]\nname = "as-is"\n'
    (folder / "t.toml").write_text(text)
    return Session(load_track(str(folder / "t.toml")), Store(folder), torch.device("cpu"), Progress())


def fit(house: Session, defense: Defense) -> Defense:
    return defense.fit(FitContext(house.recognizer("a"), None, Rng(0, "defense"), house.device, Progress()))


def rows(house: Session, defense: Defense) -> dict[tuple[Any, ...], dict[str, Any]]:
    found = rows_of(system_case(house, cells(house.track)[0], defense), *MEASURED)
    return {(row["metric"], row.get("judge", ""), row.get("fmr")): row for row in found}


def test_an_untouched_photograph_is_found_as_often_as_ever(house: Session) -> None:
    found = rows(house, fit(house, Untouched()))
    for judge in ("a", OWN):
        assert found["psr_dodging", judge, 0.1]["value"] < 0.4
        assert found["psr_dodging", judge, 0.01]["value"] >= found["psr_dodging", judge, 0.1]["value"]
        for metric in ("rank1_originals", "rank1_published"):
            assert found[metric, judge, None]["value"] > 0.6
            assert found[metric, judge, None]["n"] == PUBLISHED
    assert found["rank1_published_chance", "a", None]["value"] == pytest.approx(1 / PUBLISHED)
    assert found["psnr", "", None]["value"] == 100
    assert not any("ceiling" in metric for metric, *_ in found)
    assert not any(metric == "psr_impersonation" for metric, *_ in found)


def test_a_picture_of_nobody_hides_everybody_but_its_key_is_the_picture(house: Session) -> None:
    found = rows(house, fit(house, Hidden()))
    assert found["psr_dodging", OWN, 0.1]["value"] > 0.7
    assert found["rank1_originals", OWN, None]["value"] < 0.3
    for way, psnr in (("right", 100), ("8bit", 100), ("blank", 100), ("wrong_mark", 100)):
        assert found[f"recovery_psnr_{way}", "", None]["value"] == psnr, way
    for way in ("wrong_key", "wrong_picture"):
        assert found[f"recovery_psnr_{way}", "", None]["value"] < 40, way
    assert 25 < found["recovery_psnr_ceiling", "", None]["value"] < 40, "four bits a value: 35 dB of even spread"
    assert found["recovery_rank1_right", OWN, None]["value"] > 0.6
    assert found["recovery_rank1_wrong_key", OWN, None]["value"] < 0.2
    assert found["key_bytes", "", None]["value"] == 3 * 32 * 32 * 4 + 8


def test_a_decoys_photograph_passes_for_the_decoy(house: Session) -> None:
    defense = fit(house, Exchanged())
    train = house.faces("train")
    defense.face = train.images(torch.nonzero(train.labels == 3)[0])  # type: ignore[assignment]
    found = rows(house, defense)
    assert found["psr_impersonation", OWN, 0.1]["value"] > 0.9
    assert found["psr_impersonation_unprotected", OWN, 0.1]["value"] < 0.5
    assert found["rank1_decoy", OWN, None]["value"] > 0.9


def test_the_harness_measures_tip_im_against_a_judge_that_it_never_saw(house: Session) -> None:
    cell = cells(house.track)[0]
    every = rows_of(Case(house, cell), *MEASURED, "cost", "verification", "linkability")
    found = {(row["metric"], row.get("judge") or None, row.get("fmr")): row.get("value") for row in every}
    plain = rows(house, house.undefended("a"))
    own = ("psr_dodging", OWN, 0.1)  # the other judge, a, was never seen
    assert found[own] > plain[own]["value"]
    assert 8 < found["psnr", None, None] < 30
    assert ("accuracy", None, None) not in found, "whether the deployed system verifies is not what it is for"
    assert found["protect_ms", None, None] > 0


def test_verify_finds_every_number_again(house: Session, tmp_path: Path) -> None:
    track = house.track.model_copy(update={"attacks": (), "defenses": house.track.defenses})
    options = RunOptions(tmp_path / "run", house.store.root, house.device, command="faceleak run t.toml")
    assert run_track(track, options).failed == 0
    verdict = verify_run(tmp_path / "run")
    assert verdict.clean, verdict
    metrics = {"psr_dodging", "psr_impersonation", "rank1_originals", "rank1_published", "rank1_decoy", "psnr"}
    assert not metrics & set(verdict.without_scores)
    table = read_results(tmp_path / "run/results.csv")
    table.loc[table["metric"] == "psr_dodging", "value"] += 0.1
    write_results(table.to_dict("records"), tmp_path / "run/results.csv")
    assert {one.key.metric for one in verify_run(tmp_path / "run").differences} == {"psr_dodging"}


def test_an_edit_of_an_untouched_picture_is_the_same_edit(house: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"edited": ("first", "second"), "editor_width": 4, "editor_blocks": 1, "editor_steps": 2}
    tiny |= {"critic_steps": 2}
    monkeypatch.setattr(edits, "EditorSettings", functools.partial(edits.EditorSettings, **tiny))
    known = property(lambda faces: toy_attributes(faces.images(torch.arange(len(faces)))))
    monkeypatch.setattr(FaceSet, "attributes", known)
    same, hidden = (rows(house, fit(house, kind())) for kind in (Untouched, Hidden))
    assert same["edit_distance", "", None]["value"] == same["edit_disrupted", "", None]["value"] == 0
    assert hidden["edit_distance", "", None]["value"] > 0.01
    for found in (same, hidden):
        plain = found["edit_identity_unprotected", "a", 0.01]["value"]
        assert plain == same["edit_identity", "a", 0.01]["value"]
    assert hidden["edit_identity", "a", 0.01]["value"] <= same["edit_identity", "a", 0.01]["value"]


def test_landmarks_that_move_with_the_picture(house: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that puts the eyes a distance of 1 apart, and all points to the right by the picture's brightness."""

    class Net:
        def landmarks(self, images: Tensor) -> Tensor:
            eyes = torch.tensor([[0.0, 0.0], [0.0, 1.0]]).expand(len(images), -1, -1).clone()
            eyes[:, :, 0] += images.mean((1, 2, 3))[:, None]
            return eyes

    monkeypatch.setattr(geometry, "landmark_network", lambda *_, **__: Net())
    same, hidden = (rows(house, fit(house, kind()))["landmark_error", "", None] for kind in (Untouched, Hidden))
    assert same["value"] == 0
    faces = house.faces("victims")
    bright = faces.images(first_images(faces, 1, PUBLISHED)).mean((1, 2, 3))
    assert hidden["value"] == pytest.approx(float((bright - 0.5).abs().mean()), rel=1e-4)


def test_without_labels_edits_are_absent_with_the_reason(house: Session) -> None:
    found = rows(house, fit(house, Untouched()))
    absent = {metric: row["reason"] for (metric, *_), row in found.items() if row.get("status") == "absent"}
    assert set(absent) >= {metric.name for metric in edits.Edits.metrics}
    assert "labels" in absent["edit_identity"]
    assert "landmark" in absent["landmark_error"]


def test_slow_pictures_are_published_once(house: Session) -> None:
    defense = fit(house, Untouched())
    faces, index = house.faces("victims"), torch.tensor([4, 0, 9])
    Untouched.calls.clear()
    first, again = (published(house, defense, "a", faces, index, SecretSource.installation(5)) for _ in range(2))
    assert Untouched.calls == [3]
    assert torch.equal(first, again)
    assert torch.equal(first, faces.images(index))


def test_one_bit() -> None:
    whole = torch.tensor([[4, 7], [0, 1]], dtype=torch.uint8)
    assert one_bit_off(whole).tolist() == [[5, 7], [1, 1]]
    assert one_bit_off(torch.tensor([[0.5, 2.0]])).tolist() == [[-0.5, 2.0]]
