"""The training loop: schedules, reproducibility, and memory errors that must not change the step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.servers import published_recipe
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.training import Batch, TrainLog, TrainSettings, _Curve, _rate, batches, train
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


def test_the_published_schedule_warms_up_and_falls_tenfold_three_times() -> None:
    plan = published_recipe(240, 64, 0.1, 5e-4)
    rate = [_rate(step, plan) for step in range(240)]
    assert rate[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert [rate[step] for step in (99, 100, 179, 180, 219, 220, 239)] == pytest.approx(
        [1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    )
    _, log = _run(optimizer="sgd", schedule="steps", lr=0.02, steps=300, warmup=0.05, weight_decay=0.0)
    assert log.losses[-1] < 0.02 * log.losses[0]


def test_a_parameter_may_ask_for_an_adam_of_its_own_beside_sgd() -> None:
    """Its first step is as long as the rate, whatever the gradient; without SGD there is one optimiser as ever."""
    for wanted in (True, False):
        pair = nn.ParameterList([torch.zeros(3), torch.zeros(3)])
        pair[1].adam = wanted
        budget = TrainSettings(1, 1, 0.1, "sgd", "constant", weight_decay=0.0, nesterov=False)
        train(
            pair, lambda batch, pair=pair: 1e-3 * (pair[0] + pair[1]).sum(), 1, budget, rng=Rng(0), progress=Progress()
        )
        assert torch.allclose(pair[0], torch.full((3,), -1e-4))
        assert torch.allclose(pair[1], torch.full((3,), -0.1 if wanted else -1e-4), rtol=1e-3)


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


def test_on_cuda_the_loss_is_read_many_steps_at_a_time_and_is_the_same() -> None:
    """Each reading waits for the device. The values are here, on the CPU: nothing but the device's name is asked."""
    log, values = TrainLog(), [float(i) / 7 for i in range(120)]
    curve = _Curve(log, "t: the loss became", 0.1, torch.device("cuda"))
    seen = []
    for step, value in enumerate(values):
        curve.add(step, [torch.tensor(value), torch.tensor(1.0)])
        seen.append(len(log.losses))
    assert sorted(set(seen)) == [0, 50, 100]
    curve.read()
    assert log.losses == [float(torch.tensor(value)) + 1.0 for value in values]
    curve.add(120, [torch.tensor(float("nan"))])
    curve.add(121, [torch.tensor(0.0)])
    with pytest.raises(InputError, match=r"the loss became nan at step 120; lower lr \(now 0.1\)"):
        curve.read()


def test_still_falling_tells_a_flat_curve_from_a_steep_one() -> None:
    assert TrainLog([1.0] * 100).still_falling == 0
    assert TrainLog([1.0 - i / 100 for i in range(100)]).still_falling > 0.3
