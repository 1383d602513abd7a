"""Several processes that train one network, started by ``torchrun``; a single process without it."""

import gc
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from apcli.devices import device_of
from apcli.errors import UsageError
from apcli.training.optim.parameters import main_head

_PATIENCE = timedelta(seconds=5)


class Processes:
    """The processes that train one network together; ``rank`` is this one's number among them.

    Each step's batch is divided among the processes, so ``--batch-size`` is the step's, however many there are. Losses
    are summed over all processes and gradients averaged over the batch, even if its parts differ in size. Batch norm
    sees each process's own part; the first process's statistics are kept. Only the first process writes files and logs.
    """

    def __init__(self, rank: int = 0, size: int = 1, flags: dist.ProcessGroup | None = None) -> None:
        self.rank = rank
        self.size = size
        self._flags = flags  # a group on the CPU: agreeing on a flag does not wait for the device
        self._pending: tuple[Any, Tensor] | None = None

    @property
    def first(self) -> bool:
        return self.rank == 0

    def part(self, batch: Tensor) -> Tensor:
        """This process's part of a batch of indices; never empty, so that all processes take part in every step."""
        mine = batch[self.rank :: self.size]
        return mine if len(mine) else batch[:1]

    def share(self, batch: Tensor) -> float:
        """The weight of this process's sum of losses in the average of all gradients."""
        return self.size / len(batch) if len(batch) > self.rank else 0.0

    def pieces(self, batch: Tensor, wanted: int) -> int:
        """The number of pieces to compute ``part`` in: the same in all processes, and none is empty."""
        return max(1, min(wanted, len(batch) // self.size))

    def together(self, network: nn.Module, in_part: Callable[[], bool]) -> Callable[[Tensor], object]:
        """The forward pass of the network's main head, with gradients averaged over all processes.

        Args:
            in_part: tells whether some learning parameters have no part in the logits and so learn nothing, as in one
                process. Finding them takes time in every step, so it is done only if there are any.
        """
        if self.size == 1:
            return network
        # One-pixel kernels are the same channels-first and channels-last except for their strides, which DDP compares.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        return DistributedDataParallel(_MainHead(network), find_unused_parameters=in_part())

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any process; all wait for each other."""
        if self.size == 1:
            return flag
        highest = torch.tensor(int(flag))
        dist.all_reduce(highest, dist.ReduceOp.MAX, self._flags)
        return bool(highest)

    def any_before(self, flag: bool) -> bool:
        """Whether ``flag`` was set in any process at the previous call, whose exchange is over: nobody waits.

        A single process answers at once.
        """
        if self.size == 1:
            return flag
        highest = torch.tensor(int(flag))
        work = dist.all_reduce(highest, dist.ReduceOp.MAX, self._flags, async_op=True)
        before, self._pending = self._pending, (work, highest)
        if before is None:
            return False
        before[0].wait()
        return bool(before[1])

    def same_(self, network: nn.Module) -> None:
        """Copy the first process's buffers to all: batch norm's statistics come from different parts of the data."""
        for buffer in network.buffers() if self.size > 1 else ():
            dist.broadcast(buffer, 0)

    def sum_(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values


class _MainHead(nn.Module):
    """A network without its auxiliary outputs: no loss uses them, and DDP would wait for their gradients."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> object:
        return main_head(self.network(images))


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Connect this process to the others that ``torchrun`` started, for as long as the context lasts.

    Args:
        device: the value of ``--device``.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    on_cuda = device_of(device).type == "cuda"
    store, rank, size = next(rendezvous("env://"))
    group = PrefixStore("group", store)
    dist.init_process_group("nccl" if on_cuda else "gloo", store=group, rank=rank, world_size=size)
    try:
        flags = dist.new_group(backend="gloo")
        assert isinstance(flags, dist.ProcessGroup)
        yield Processes(rank, size, flags)
        dist.barrier(flags)  # a process that leaves early would cut the others' connections
    except UsageError as error:
        error.everywhere = _is_said_by_first(store, rank, size, str(error))
        raise
    finally:
        gc.collect()  # networks shared among processes keep the connections open
        dist.destroy_process_group()


def _is_said_by_first(store: Store, rank: int, size: int, sentence: str) -> bool:
    """Whether the first process ends with the same message; it waits briefly for the others to compare."""
    try:
        if rank == 0:
            store.set("usage", sentence)
            store.wait([f"heard {other}" for other in range(1, size)], _PATIENCE)
            return True
        store.wait(["usage"], _PATIENCE)
        same = store.get("usage") == sentence.encode()
        store.set(f"heard {rank}", "")
    except dist.DistError:  # the other processes are still running, or have ended
        return rank == 0
    return bool(same)
