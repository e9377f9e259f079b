"""Protect, leak, attack and score tensors: the numbers and the refusals of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faceleak
import numpy as np
import pandas as pd
import pytest
import torch
from faceleak.bench.core.progress import Progress
from faceleak.bench.front.system import Leaked
from faceleak.bench.prepare.session import Session
from faceleak.bench.store.store import Store
from systems import TOY_TRACK
from torch import Tensor, nn

MORE = '[[defenses]]\nname = "biohash"\n[[attacks]]\nname = "linear-ridge"\nknowledge = ["K1"]\n'


def images(people: int, each: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(people * each, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def people(first: int, count: int, each: int = 3) -> faceleak.FaceSet:
    names = [f"p{first + i}" for i in range(count) for _ in range(each)]
    return faceleak.face_set(images(count, each, first), names, name=f"set {first}")


@pytest.fixture(scope="module")
def recognizer() -> faceleak.Recognizer:
    return faceleak.recognizer("toy-a", name="a")


@pytest.fixture(scope="module")
def leaked(recognizer: faceleak.Recognizer) -> Leaked:
    return faceleak.protect(recognizer, "biohash").leak(people(100, 6))


PUBLIC, CALIBRATION = people(0, 8), people(200, 10)


def test_the_numbers_are_those_of_a_run_on_the_same_faces(tmp_path: Path, recognizer: faceleak.Recognizer) -> None:
    file = tmp_path / "toy.toml"
    file.write_text(TOY_TRACK + MORE)
    rows = faceleak.benchmark(file, only={"attack": "linear-ridge"}, store=tmp_path / "store")
    session = Session(faceleak.load_track(str(file)), Store(tmp_path / "store"), torch.device("cpu"), Progress())
    public, calibration, victims = map(session.faces, ("public", "calibration", "victims"))
    system = faceleak.protect(recognizer, "biohash")
    found = faceleak.attack("linear-ridge", system.leak(victims, "template"), public, resolution=32)
    table = faceleak.score(
        found, system.leak(victims), judges=faceleak.recognizer("toy-b", name="b"), calibration=calibration,
        fmrs=(0.1, 0.01), resamples=200,
    )  # fmt: skip
    assert {found.threat.defense, found.n_pairs} == {faceleak.DefenseKnowledge.K1, len(public)}
    keys = ["metric", "judge", "fmr"]
    board = rows[(rows["split"] == "victims") & (rows["surface"] == "template")].set_index(keys)
    for key, row in table.set_index(keys).iterrows():
        told = board.loc[[key]].iloc[0]
        for column in ("value", "ci_lo", "ci_hi", "n", "threshold", "n_aux", "n_queries"):
            assert row[column] == pytest.approx(told[column], rel=1e-4, abs=1e-5, nan_ok=True), (key, column)
        assert row["status"] == told["status"]
    assert set(table["metric"]) == {"sar_type1", "sar_type2", "cosine", "psnr", "ssim"}


class _Asks(faceleak.Attack):
    """Asks for what its sub-class says, and recovers noise."""

    threat = faceleak.ThreatModel(recognizer=faceleak.RecognizerAccess.BLACK_BOX)
    uses_pairs = True

    def ask(self, context: faceleak.AttackContext, leak: Any) -> None:
        raise NotImplementedError

    def _recover(self, leak: Any, ids: Tensor, index: Tensor, context: faceleak.AttackContext) -> faceleak.Recovery:
        self.ask(context, leak)
        return faceleak.Recovery(images=images(len(ids), 1))


def asks(what: Any) -> type[faceleak.Attack]:
    return type("Asks", (_Asks,), {"ask": lambda self, context, leak: what(context.target)})


FOUR = images(4, 1)


@pytest.mark.parametrize(
    ("what", "words", "error"),
    [
        (lambda target: target.recognizer, {}, faceleak.ThreatModelError),
        (lambda target: target.secrets, {"knowledge": "K2"}, faceleak.ThreatModelError),
        (lambda target: target.defense, {"knowledge": "K1"}, faceleak.ThreatModelError),
        (lambda target: target.leak(FOUR, torch.arange(4)), {"pairs": 2}, faceleak.BudgetError),
        (lambda target: target.query(FOUR, torch.zeros(4, dtype=torch.int64)), {"queries": 3}, faceleak.BudgetError),
    ],
)
def test_what_is_not_granted_is_refused(
    what: Any, words: dict[str, Any], error: type[Exception], leaked: Leaked
) -> None:
    with pytest.raises(error):
        faceleak.attack(asks(what), leaked, PUBLIC, **words)


def test_what_is_granted_is_counted(leaked: Leaked) -> None:
    def ask(target: faceleak.Target) -> None:
        target.secrets, target.defense  # noqa: B018
        target.query(FOUR, torch.arange(4))

    found = faceleak.attack(asks(ask), leaked, PUBLIC, knowledge="K3", queries=1)
    row = faceleak.score(found, leaked, calibration=CALIBRATION, fmrs=(0.1,)).iloc[0]
    assert row[["knowledge", "recognizer_access", "n_queries", "n_aux"]].tolist() == ["K3", "black-box", 4, 24]


def test_a_level_that_does_not_exist_names_those_that_do(recognizer: faceleak.Recognizer) -> None:
    plain = faceleak.protect(recognizer).leak(people(100, 6))
    with pytest.raises(faceleak.ThreatModelError, match="against none has no knowledge level 'K1'; it has K0"):
        faceleak.attack("linear-ridge", plain, PUBLIC, knowledge="K1")


def test_sets_that_share_people_are_refused(leaked: Leaked) -> None:
    with pytest.raises(faceleak.DataError, match=r"1 people stand in both 'set 95' and 'set 100' \(p100\)"):
        faceleak.attack("mean-face", leaked, people(95, 6))
    found = faceleak.attack("mean-face", leaked, PUBLIC)
    for other in (people(100, 10), people(0, 10)):
        with pytest.raises(faceleak.DataError, match="thresholds come from people"):
            faceleak.score(found, leaked, calibration=other)


def test_judges_are_strangers_and_recoveries_are_one_for_each_leak(leaked: Leaked) -> None:
    with pytest.raises(faceleak.InputError, match="Judge 'a' is part of the attack"):
        faceleak.score(images(6, 1), leaked, judges=leaked.system.recognizer, calibration=CALIBRATION)
    other = faceleak.recognizer("toy-b", name="a")
    with pytest.raises(faceleak.InputError, match="share a name"):
        faceleak.score(images(6, 1), leaked, judges=other, calibration=CALIBRATION)
    with pytest.raises(faceleak.ContractError, match="4 recoveries for 6 leaks"):
        faceleak.score(FOUR, leaked, calibration=CALIBRATION)


def test_embeddings_are_judged_where_they_live(leaked: Leaked) -> None:
    mine = leaked.system.recognizer.embed(leaked.faces.images(leaked.part.index))
    table = faceleak.score(
        faceleak.Recovery(embeddings=mine, space="target"), leaked, calibration=CALIBRATION, fmrs=(0.1, 1e-6)
    )
    assert set(table["judge"]) == {"a"}
    assert table.set_index(["metric", "fmr"]).loc[("sar_type1", 0.1), "value"] == 1
    assert set(table.loc[table["fmr"] == 1e-6, "status"]) == {"refused"}
    with pytest.raises(faceleak.InputError, match="the adversary's own"):
        faceleak.score(faceleak.Recovery(embeddings=mine, space="surrogate"), leaked, calibration=CALIBRATION)


def test_a_module_is_copied_and_a_function_says_by_itself_whether_it_has_gradients() -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 5)).train()
    mine = faceleak.recognizer(net, settings={"size": 16})
    assert mine.differentiable
    assert net.training
    assert all(weight.requires_grad for weight in net.parameters())
    x = images(1)
    assert torch.equal(mine.embed(x), mine.embed(x)), "in eval mode"
    through_numpy = faceleak.recognizer(lambda x: torch.from_numpy(x.numpy().mean((2, 3))), settings={"size": 16})
    assert not through_numpy.differentiable
    assert through_numpy.embed(x).shape == (3, 3)
    with torch.no_grad():
        assert faceleak.recognizer(net, settings={"size": 16}).differentiable
    swapped = faceleak.recognizer(lambda x: x.mean((2, 3)), settings={"size": 16, "scale": "byte", "color": "bgr"})
    assert torch.allclose(swapped._embed(x), 255 * x.mean((2, 3)).flip(1))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: faceleak.recognizer(lambda x: x), r"two images gave \(2, 3, 112, 112\)"),
        (lambda: faceleak.recognizer(7), "got int"),  # type: ignore[arg-type]
        (lambda: faceleak.recognizer("small-resnet"), "must be trained"),
        (lambda: faceleak.recognizer(nn.Flatten(), settings={"side": 3}), "no setting 'side'; did you mean 'size'"),
        (lambda: faceleak.face_set(FOUR * 255, "abcd"), r"must lie in \[0, 1\]"),
        (lambda: faceleak.face_set(FOUR, ["a"]), "1 people were named for 4 images"),
        (lambda: faceleak.face_set(FOUR[:0], []), "0 people were named for 0 images"),
    ],
)
def test_what_does_not_fit_is_said(make: Any, says: str) -> None:
    with pytest.raises(faceleak.InputError, match=says):
        make()


def test_who_leaks_and_how_often(recognizer: faceleak.Recognizer) -> None:
    system = faceleak.protect(recognizer, "gaussian-noise")
    assert len(system.leak(people(0, 5), draws=3)) == 15
    assert len(system.leak(people(0, 5), "image", draws=3)) == 5, "nothing is random there"
    alone = faceleak.face_set(FOUR, "abcc")
    assert system.leak(alone).part.index.tolist() == [2]
    with pytest.raises(faceleak.DataError, match="nobody has two pictures"):
        system.leak(faceleak.face_set(FOUR, "abcd"))
    with pytest.raises(faceleak.InputError, match="No surface is called 'templates'"):
        system.leak(alone, "templates")


def test_a_face_set_is_what_it_was_made_of() -> None:
    pixels = images(2)
    faces = faceleak.face_set(pixels, torch.tensor([7, 7, 7, 3, 3, 3]))
    before = faces.images(torch.arange(6))
    pixels.zero_()
    assert torch.equal(faces.images(torch.arange(6)), before), "a copy"
    assert faces.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(set(faces.samples)) == 6
    assert faces.sha != faceleak.face_set(pixels, [7, 7, 7, 3, 3, 3]).sha
    assert isinstance(np.asarray(faces.ids), np.ndarray)
    assert pd.Series(faces.identities).nunique() == 2
