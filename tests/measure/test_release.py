"""The worth of a released data set, on toy faces with a network trained for seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from faceleak.bench.core.context import FitContext
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.secrets import SecretDraw, SecretSource
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.surfaces import Goal, Secret
from faceleak.bench.measure import release
from faceleak.bench.measure.case import Case
from faceleak.bench.plan.cells import Cell, cells
from faceleak.bench.plan.track import load_track
from faceleak.bench.prepare.session import Session
from faceleak.bench.store.store import Store
from faceleak.defenses.base import Defense
from measuring import rows_of, system_case
from systems import TOY_TRACK
from torch import Tensor

METRICS = tuple(metric.name for metric in release.Release.metrics)
NET = "settings = { size = 32, dim = 32, steps = 80, batch = 48 }"
FACEMAE = """
[[defenses]]
name = "facemae"
settings = { side = 32, width = 16, depth = 1, decoder_depth = 1, steps = 5, persons = 8 }
[[attacks]]
name = "as-is"
"""


class Plain(Defense):
    """Releases the originals."""

    name = "plain"
    goal = Goal.RELEASE_DATASET


class Nameless(Defense):
    """Releases pictures without anybody in them, another at every presentation."""

    name = "nameless"
    goal = Goal.RELEASE_DATASET
    secrets = frozenset({Secret.SAMPLE})

    def publish(self, images: Tensor, secret: SecretDraw) -> Tensor:
        return secret.sample.uniform(secret.ids, tuple(images.shape[1:]))


def session(folder: Path, train: bool = True, trained_target: bool = True) -> Session:
    head = TOY_TRACK
    if train:
        head = head.replace("identities = 84", "identities = 114, noise = 0.12")  # else any network knows them apart
        head = head.replace("[splits]", "[splits]\ntrain = { identities = 30, images = 6 }")
    if trained_target:
        head = head.replace('type = "toy-a"', f'type = "small-vgg"\n{NET}')
    (folder / "t.toml").write_text(head + FACEMAE)
    return Session(load_track(str(folder / "t.toml")), Store(folder), torch.device("cpu"), Progress())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return session(tmp_path_factory.mktemp("release"))


def fit(house: Session, defense: Defense) -> Defense:
    return defense.fit(FitContext(house.recognizer("a"), None, Rng(0, "defense"), house.device, Progress()))


def rows(house: Session, defense: Defense) -> dict[str, dict[str, Any]]:
    return {
        row["metric"]: row for row in rows_of(system_case(house, cells(house.track)[0], fit(house, defense)), "release")
    }


def test_the_originals_as_release_are_worth_exactly_the_originals(house: Session) -> None:
    """Same pixels, first weights, order and augmentation: the very same network."""
    found = rows(house, Plain())
    assert tuple(found) == METRICS
    assert found["release_accuracy"]["value"] == found["release_accuracy_original"]["value"] > 0.6
    difference = found["release_accuracy_difference"]
    assert difference["value"] == difference["ci_lo"] == difference["ci_hi"] == 0
    accuracy = found["release_accuracy"]
    assert accuracy["n"] == 200
    assert accuracy["ci_lo"] < accuracy["value"] < accuracy["ci_hi"] <= 1
    assert {row["split"] for row in found.values()} == {"victims"}


def test_faces_of_nobody_are_worth_less(house: Session) -> None:
    found = rows(house, Nameless())
    best = found["release_accuracy_original"]["value"] - 0.03
    assert found["release_accuracy"]["value"] < best
    assert found["release_accuracy_untrained"]["value"] < best
    difference = found["release_accuracy"]["value"] - found["release_accuracy_original"]["value"]
    assert found["release_accuracy_difference"]["value"] == pytest.approx(difference)


def test_what_is_released_is_the_deployed_leak_in_eight_bits(house: Session) -> None:
    cell, defense = cells(house.track)[0], fit(house, Nameless())
    released, plain = release.released_faces(house, cell, defense), house.faces("train")
    index = torch.tensor([3, 170, 0])
    assert torch.equal(released.ids, plain.ids)
    assert torch.equal(released.labels, plain.labels)
    draw = SecretSource.installation(cell.seed).draw(plain.ids[index])
    expected = defense.publish(plain.images(index), draw)
    assert float((released.images(index) - expected).abs().max()) <= 0.5 / 255 + 1e-6


def test_it_is_trained_once_and_anew_for_another_release(house: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    cell, one, other = cells(house.track)[0], fit(house, Plain()), fit(house, Nameless())
    first = release.trained_on_release(house, cell, one)
    seen = []
    monkeypatch.setattr(release, "released_faces", lambda *_: seen.append(1) or house.faces("train"))
    again = release.trained_on_release(house, cell, one)
    assert not seen
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters()))
    release.trained_on_release(house, Cell(cell.target, cell.defense, cell.seed + 1), other)
    assert seen == [1]


def test_a_target_with_weights_of_its_own_gets_a_small_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"size": 32, "dim": 16, "steps": 20, "batch": 32}
    monkeypatch.setattr(release, "FALLBACK", ("small-vgg", settings))
    found = rows(session(tmp_path, trained_target=False), Plain())
    assert found["release_accuracy"]["value"] == found["release_accuracy_original"]["value"]


def test_without_a_train_split_the_rows_say_so(tmp_path: Path) -> None:
    house = session(tmp_path, train=False, trained_target=False)
    found = rows(house, Plain())
    assert [(metric, row["status"]) for metric, row in found.items()] == [(metric, "absent") for metric in METRICS]
    assert all("no train split" in row["reason"] for row in found.values())


def test_a_release_cell_has_both_utilities(house: Session) -> None:
    """The deployed system's rows, and the release's."""
    found = rows_of(Case(house, cells(house.track)[0]), "verification", "cost", "release")
    values = {row["metric"]: row["value"] for row in found if row.get("status", "ok") == "ok"}
    assert {"accuracy", "eer", "protect_ms", *METRICS} <= set(values)
    assert 0 <= values["release_accuracy"] <= 1
    assert values["release_accuracy_original"] > 0.6
