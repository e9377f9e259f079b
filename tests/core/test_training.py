"""The training loop: schedules, reproducibility, and memory errors that must not change the step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.training import Batch, TrainLog, TrainSettings, batches, train
from torch import Tensor, nn

X = Rng(0, "x").normal(torch.arange(64), (5,))
Y = X @ torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])


def _run(limit: int | None = None, **settings: Any) -> tuple[nn.Module, TrainLog]:
    """Fit a line; with ``limit`` larger batches run out of memory."""
    torch.manual_seed(0)
    net = nn.Linear(5, 1)

    def loss(batch: Batch) -> Tensor:
        if limit is not None and len(batch.index) > limit:
            raise torch.OutOfMemoryError("pretended")
        return (net(X[batch.index])[:, 0] - Y[batch.index]).square().mean()

    budget = TrainSettings(**{"steps": 150, "batch": 16, "lr": 0.1, **settings})
    return net, train(net, loss, len(X), budget, rng=Rng(0, "t"), progress=Progress())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_it_learns_a_line(optimizer: str, schedule: str) -> None:
    lr = 0.1 if optimizer == "adamw" else 0.02
    net, log = _run(optimizer=optimizer, schedule=schedule, lr=lr, steps=300, weight_decay=0.0)
    assert log.losses[-1] < 0.02 * log.losses[0]
    assert not net.training


def test_running_out_of_memory_does_not_change_the_result() -> None:
    whole, log = _run()
    split, log_split = _run(limit=4)
    assert log_split.halvings == 2
    assert log.halvings == 0
    for a, b in zip(whole.parameters(), split.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_a_single_sample_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        _run(limit=0)


def test_same_seed_same_weights() -> None:
    a, b = _run()[0], _run()[0]
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_averaged_weights_are_smoother_than_the_last() -> None:
    """Constant, too large steps jitter around the solution; their average does not."""
    noisy = {"optimizer": "sgd", "schedule": "constant", "lr": 0.15, "momentum": 0.0, "batch": 2, "steps": 400}
    target = torch.tensor([[1.0, -2.0, 0.5, 0.0, 3.0]])
    last, _ = _run(**noisy, weight_decay=0.05)
    mean, _ = _run(**noisy, weight_decay=0.05, ema=0.95)
    assert not torch.equal(last.weight, mean.weight)
    assert float((mean.weight.detach() - target).norm()) < 1.0


def test_each_epoch_shows_every_sample_once_with_a_new_presentation() -> None:
    seen = list(batches(20, TrainSettings(steps=8, batch=5), Rng(0)))
    first, second = (torch.cat([b.index for b in seen if b.presentation == e]) for e in (0, 1))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(20))
    assert first.tolist() != second.tolist()


def test_the_log_says_how_often_the_samples_were_shown() -> None:
    assert _run(steps=10, batch=16)[1].epochs == pytest.approx(10 * 16 / 64)
    assert _run(steps=10, batch=100)[1].epochs == 10, "a batch is never more than all"


def test_no_samples_and_diverging_losses_are_said() -> None:
    with pytest.raises(InputError, match="no training samples"):
        train(nn.Linear(1, 1), lambda b: torch.zeros(()), 0, TrainSettings(), rng=Rng(0), progress=Progress())
    with pytest.raises(InputError, match=r"the loss became .* lower lr"):
        _run(optimizer="sgd", lr=1e6, clip=0.0, schedule="constant")


def test_still_falling_tells_a_flat_curve_from_a_steep_one() -> None:
    assert TrainLog([1.0] * 100).still_falling == 0
    assert TrainLog([1.0 - i / 100 for i in range(100)]).still_falling > 0.3
