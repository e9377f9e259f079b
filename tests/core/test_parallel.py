"""Two processes that train one network: the curve and the weights of one process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.parallel import companions, distributed
from faceleak.bench.core.progress import Progress
from faceleak.bench.core.seeding import Rng
from faceleak.bench.core.training import Batch, TrainSettings, train
from torch import Tensor, nn

N = 50
X = Rng(0, "x").normal(torch.arange(N), (3, 6, 6))


class Net(nn.Module):
    """With a part that no sample reaches and a buffer that counts."""

    def __init__(self) -> None:
        super().__init__()
        with Rng(0, "net").seeds_torch():
            self.net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 4))
            self.unused = nn.Linear(4, 4)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen += len(x)
        return self.net(x)


def fit(batch: int, ema: float) -> tuple[list[float], Net]:
    """Under noise that is each sample's own; the last batch of an epoch would not part evenly."""
    net, noise = Net(), Rng(0, "noise")

    def loss(part: Batch) -> Tensor:
        drawn = noise.child(part.presentation).normal(part.index, (3, 6, 6))
        found = net(X[part.index] + 0.1 * drawn)
        return (found - X[part.index].mean((2, 3)).sum(1, keepdim=True)).square().mean()

    settings = TrainSettings(steps=60, batch=batch, lr=5e-3, ema=ema)
    return train(net, loss, N, settings, rng=Rng(0, "t"), progress=Progress()).losses, net


def main(out: str, batch: str, ema: str) -> None:
    """One of the processes; its network starts elsewhere unless it is the first."""
    torch.set_num_threads(1)
    with distributed("gloo") as found:
        if found.rank:
            Rng.seeds_torch = lambda self: torch.random.fork_rng(devices=[])  # type: ignore[method-assign]
        losses, net = fit(int(batch), float(ema))
        state = {name: value.tolist() for name, value in net.state_dict().items()}
        Path(out, f"{found.rank}.json").write_text(json.dumps([losses, state]))


@pytest.mark.parametrize(("batch", "ema"), [(15, 0.9), pytest.param(1, 0.0, marks=pytest.mark.slow)])
def test_two_processes_train_as_one_does(batch: int, ema: float, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    asked = [sys.executable, __file__, str(tmp_path), str(batch), str(ema)]
    both = [subprocess.Popen(asked, env=shared | {"RANK": rank}) for rank in "01"]
    assert [one.wait(timeout=120) for one in both] == [0, 0]
    (losses, first), (other, second) = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in "01")
    alone, net = fit(batch, ema)
    assert losses == other
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(alone), rtol=0, atol=1e-5)
    assert first == second, "all end with the same network"
    for name, value in net.state_dict().items():
        if name != "seen":
            torch.testing.assert_close(torch.tensor(first[name]), value, rtol=0, atol=1e-4)
    assert first["net.0.weight"] != Net().state_dict()["net.0.weight"].tolist()
    assert first["unused.weight"] == Net().state_dict()["unused.weight"].tolist(), "no gradient, no weight decay"


def test_who_was_not_started_with_others_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=r"RANK, .* are not set; start the script by torchrun"), distributed():
        pass
    assert companions() is None


if __name__ == "__main__":
    main(*sys.argv[1:])
