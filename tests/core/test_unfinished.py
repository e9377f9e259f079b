"""A training that is killed goes on where it kept itself last and ends in the same bits."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from faceleak.attacks.base import Attack
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.recovery import Recovery
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.training import Batch, TrainLog, TrainSettings, train
from faceleak.bench.core.unfinished import VARIABLE, Meter, metered, resumable
from faceleak.bench.store.recipe import Recipe
from faceleak.bench.store.store import Store
from torch import Tensor, nn

RECIPE = Recipe("fit", {"a": 1}, "")
KINDS = {
    "adamw": TrainSettings(24, 8, ema=0.9),
    "sgd": TrainSettings(24, 8, lr=0.05, optimizer="sgd", schedule="steps", warmup=0.2),
}


class Killed(Exception):
    pass


class Fit:
    """Two loops after each other, with all that could be lost: batch statistics, dropout, moments, an average."""

    def __init__(self, kind: str, stop_at: int = -1) -> None:
        self.settings, self.stop_at, self.seen = KINDS[kind], stop_at, 0
        self.logs: list[TrainLog] = []

    def __call__(self) -> dict[str, Tensor]:
        torch.manual_seed(3)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(8 * 36, 4)
        )
        net[5].weight.adam = True  # with SGD, an optimiser of its own
        x = Rng(0, "x").normal(torch.arange(30), (3, 8, 8))
        y = torch.arange(30) % 4

        def loss(batch: Batch) -> Tensor:
            self.seen += 1
            if self.seen == self.stop_at:
                raise Killed
            return F.cross_entropy(net(x[batch.index]), y[batch.index])

        for stage in range(2):
            log = train(net, loss, 30, self.settings, rng=Rng(0, "fit", stage), progress=Progress(), title="fit")
            self.logs.append(log)
        return {name: value.clone() for name, value in net.state_dict().items()} | {"after": torch.rand(3)}


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_at_any_step_it_ends_in_the_same_bits(kind: str, tmp_path: Path) -> None:
    whole = Fit(kind)
    expected, steps = whole(), 0
    store = Store(tmp_path)
    for stop_at in (3, 14, 20, 9):  # in the first loop, over its end, in the second
        broken = Fit(kind, stop_at)
        with pytest.raises(Killed):
            store.tensors(RECIPE, broken)
        steps += broken.seen - 1
        assert [file.suffix for file in (tmp_path / "unfinished").glob("*/*")] == [".safetensors"] * (1 + (steps > 24))
    last = Fit(kind)
    made = store.tensors(RECIPE, last)
    assert last.seen == 48 - steps, "no step is done twice"
    assert {name: bool(torch.equal(made[name], value)) for name, value in expected.items()} == dict.fromkeys(made, True)
    assert [log.losses for log in last.logs] == [log.losses for log in whole.logs]
    assert not list((tmp_path / "unfinished").iterdir()), "made, so nothing is unfinished"


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    expected, rng = Fit("adamw")(), random.Random(0)
    for _ in range(6):
        child = os.fork()
        if child == 0:
            try:
                Store(tmp_path).tensors(RECIPE, Fit("adamw"))
            finally:
                os._exit(0)
        time.sleep(rng.uniform(0.01, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    made = Store(tmp_path).tensors(RECIPE, Fit("adamw"))
    assert all(torch.equal(made[name], value) for name, value in expected.items())
    assert {path.name for path in (tmp_path / "fit").iterdir()} == {RECIPE.key}, "no lock, no half artefact"
    assert not list((tmp_path / "unfinished").iterdir())


def test_what_another_training_left_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        Store(tmp_path).tensors(RECIPE, Fit("adamw", 5))
    other = Fit("sgd")
    Store(tmp_path).tensors(RECIPE, other)
    assert other.seen == 48


def test_a_damaged_keeping_is_begun_anew(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        Store(tmp_path).tensors(RECIPE, Fit("adamw", 5))
    (file,) = (tmp_path / "unfinished").glob("*/*")
    file.write_bytes(file.read_bytes()[:100])
    again = Fit("adamw")
    Store(tmp_path).tensors(RECIPE, again)
    assert again.seen == 48


def test_short_trainings_keep_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(Killed):
        Store(tmp_path).tensors(RECIPE, Fit("adamw", 5))
    assert not (tmp_path / "unfinished").exists()


def test_what_is_counted_beside_is_counted_on(tmp_path: Path) -> None:
    """The cost of a fit is that of all its steps, whoever did them."""
    asked: list[int] = [0]
    meter = Meter(lambda: {"asked": torch.tensor(asked)}, lambda state: asked.__setitem__(0, int(state["asked"])))

    class Asking(Fit):
        def __call__(self) -> dict[str, Tensor]:
            asked[0] = 100
            return super().__call__()

    with metered(meter), pytest.raises(Killed):
        Store(tmp_path).tensors(RECIPE, Asking("adamw", 5))
    asked[0] = 7
    store = Store(tmp_path)
    with metered(meter):
        store.tensors(RECIPE, Fit("adamw"))
    assert asked[0] == 100


class Searching(Attack):
    """Grey as the leak says; stops before a batch."""

    batch = 4
    stop_at = -1
    seen = 0

    def _recover(self, leak: Tensor, ids: Tensor, index: Tensor, context: object) -> Recovery:
        self.seen += 1
        if self.seen == self.stop_at:
            raise Killed
        z = F.normalize(leak, dim=1)
        grey = leak.mean(1).sigmoid()[:, None, None, None].expand(-1, 3, 4, 4)
        return Recovery(grey, z, "target", {"a": leak.softmax(1)})


def test_a_search_goes_on_with_the_next_victims(tmp_path: Path) -> None:
    leak, ids, context = torch.randn(10, 5), torch.arange(10), SimpleNamespace(device=torch.device("cpu"))
    whole = Searching().recover(leak, ids, context)  # type: ignore[arg-type]
    place = Store(tmp_path).unfinished(RECIPE)
    broken = Searching()
    broken.stop_at = 3
    with resumable(place), pytest.raises(Killed):
        broken.recover(leak, ids, context)  # type: ignore[arg-type]
    again = Searching()
    with resumable(Store(tmp_path).unfinished(RECIPE)):
        found = again.recover(leak, ids, context)  # type: ignore[arg-type]
    assert again.seen == 1, "two of three batches were there"
    assert torch.equal(found.images, whole.images)  # type: ignore[arg-type]
    assert torch.equal(found.embeddings, whole.embeddings)  # type: ignore[arg-type]
    assert torch.equal(found.attributes["a"], whole.attributes["a"])  # type: ignore[index]
    assert found.space == "target"
