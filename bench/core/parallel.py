"""Several processes, one fit: each takes its part of every batch, and all take the same step.

Started by torchrun, one process a device, every process runs the same program up to ``train`` (``training.py``), which
within ``distributed()`` works with the others. Batches, their order and the optimiser are those of one process, and the
gradients are averaged by example count, so the curve is that of one process up to rounding where the loss is a mean
over examples and its randomness belongs to examples (``Rng`` by sample ids). It cannot be equal where

* a network normalises by its batch: the statistics are those of each process's part (running ones are averaged when
  the training ends, before that they are each process's own);
* a loss sets the examples of a batch against each other (in-batch negatives): it sees its part only;
* layers or losses draw from torch's own generator (dropout): the processes draw the same numbers for other examples.

Nothing of a fit is kept for going on after a kill. The store's locks are not made for it either: two processes of one
fit would wait for each other, so ``faceleak run`` itself stays one process a fit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .errors import InputError

_ASKED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Group:
    """The processes of a fit.

    Args:
        rank: of this one, from 0.
        size: how many there are.
    """

    rank: int
    size: int

    def part(self, index: Tensor) -> Tensor:
        """(b,) this process's part of the (B,) samples of a batch; none where samples are fewer than processes."""
        return index.tensor_split(self.size)[self.rank]

    @torch.no_grad()
    def same_start(self, module: nn.Module) -> None:
        """Parameters and buffers of all are those of the first process."""
        for one in [*module.parameters(), *module.buffers()]:
            whole = one.detach().contiguous()  # channels_last is not what every backend sends
            dist.broadcast(whole, 0)
            one.copy_(whole)

    @torch.no_grad()
    def sum_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Add up gradients and the loss () over all processes; returns the loss.

        One message a step. A parameter that has no gradient anywhere keeps none, as the optimiser then leaves it alone.
        """
        grads = [one.grad if one.grad is not None else torch.zeros_like(one) for one in parameters]
        there = torch.tensor([float(one.grad is not None) for one in parameters])
        ends = torch.cat([loss.reshape(1).float(), there.to(loss.device, non_blocking=True)])
        flat = torch.cat([ends, *(grad.reshape(-1).float() for grad in grads)])
        dist.all_reduce(flat)
        at = 1 + len(parameters)
        # Whoever has all gradients knows that each is somewhere, and need not wait for the device.
        anywhere = [1.0] * len(parameters) if bool(there.all()) else flat[1:at].tolist()
        for one, grad, count in zip(parameters, grads, anywhere, strict=True):
            values = flat[at : at + one.numel()].view(one.shape)
            at += one.numel()
            one.grad = grad.copy_(values) if count else None
        return flat[0]

    @torch.no_grad()
    def same_end(self, module: nn.Module) -> None:
        """Buffers of all are the mean over the processes, whole numbers those of the first."""
        for one in module.buffers():
            whole = one.detach().contiguous()
            if whole.is_floating_point():
                dist.all_reduce(whole)
                one.copy_(whole / self.size)
            else:
                dist.broadcast(whole, 0)
                one.copy_(whole)


_GROUP: ContextVar[Group | None] = ContextVar("processes of a fit", default=None)


def companions() -> Group | None:
    """The processes that this one trains with; None outside ``distributed``, and where it is alone."""
    return _GROUP.get()


@contextmanager
def distributed(backend: str = "") -> Iterator[Group]:
    """Within, ``train`` shares every batch with the other processes that torchrun started.

    Args:
        backend: of ``torch.distributed``; empty: ``nccl`` where there is CUDA (this process then works on the device of
            its LOCAL_RANK), else ``gloo``.

    Raises:
        InputError: the process was not started by torchrun, or this torch has no ``torch.distributed``.
    """
    missing = [name for name in _ASKED if name not in os.environ]
    if missing or not dist.is_available():
        lacks = f"{', '.join(missing)} are not set" if missing else "this torch is built without torch.distributed"
        raise InputError(f"Several processes for one fit: {lacks}; start the script by torchrun --nproc-per-node N.")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group(backend or ("nccl" if torch.cuda.is_available() else "gloo"))
    found = Group(dist.get_rank(), dist.get_world_size())
    token = _GROUP.set(found if found.size > 1 else None)
    try:
        yield found
        dist.barrier()  # the first one holds the meeting point: it stays until all have finished
    finally:
        _GROUP.reset(token)
        dist.destroy_process_group()
