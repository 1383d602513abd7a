"""Several processes that train one network, started by ``torchrun``; one process where there is no ``torchrun``."""

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


class Ranks:
    """This process's place among those that train together.

    Each step's batch is cut among them, so ``--batch-size`` is that of the step however many there are; losses are
    summed over all and gradients averaged over the batch, also where its parts differ in size. Batch norm takes each
    process's own part; the statistics that are kept are the first process's. Only the first writes and speaks.
    """

    def __init__(self, rank: int = 0, size: int = 1, flags: dist.ProcessGroup | None = None) -> None:
        self.rank = rank
        self.size = size
        self._flags = flags  # of the CPU: to agree on something without waiting for the device
        self._said: tuple[Any, Tensor] | None = None

    @property
    def first(self) -> bool:
        return self.rank == 0

    def part(self, batch: Tensor) -> Tensor:
        """This process's part of a batch of indices; never empty, so that all take part in every step."""
        mine = batch[self.rank :: self.size]
        return mine if len(mine) else batch[:1]

    def share(self, batch: Tensor) -> float:
        """What this process's sum of losses counts in the average that is taken of all gradients."""
        return self.size / len(batch) if len(batch) > self.rank else 0.0

    def together(self, network: nn.Module, in_part: Callable[[], bool]) -> Callable[[Tensor], object]:
        """The network's forward pass, of its main head, whose gradients are those of all processes.

        Args:
            in_part: says whether some of what learns has no part in the logits. It then learns nothing, as in one
                process; to find out in every step which it is takes time, so it is not done in vain.
        """
        if self.size == 1:
            return network
        # Kernels of one pixel lie alike channels-first and channels-last, but for their strides, which DDP compares.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        return DistributedDataParallel(_MainHead(network), find_unused_parameters=in_part())

    def any(self, flag: bool) -> bool:
        """Whether one of the processes says so; all wait for each other."""
        if self.size == 1:
            return flag
        said = torch.tensor(int(flag))
        dist.all_reduce(said, dist.ReduceOp.MAX, self._flags)
        return bool(said)

    def any_before(self, flag: bool) -> bool:
        """Whether one of the processes said so at the call before this one, which nobody waits for by now.

        One process says so at once.
        """
        if self.size == 1:
            return flag
        said = torch.tensor(int(flag))
        work = dist.all_reduce(said, dist.ReduceOp.MAX, self._flags, async_op=True)
        before, self._said = self._said, (work, said)
        if before is None:
            return False
        before[0].wait()
        return bool(before[1])

    def same_(self, network: nn.Module) -> None:
        """Give all processes the first one's buffers: batch norm's statistics are of different parts of the data."""
        for buffer in network.buffers() if self.size > 1 else ():
            dist.broadcast(buffer, 0)

    def sum_(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values


class _MainHead(nn.Module):
    """A network without the outputs that no loss is of, whose gradients would be waited for."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> object:
        return main_head(self.network(images))


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """The processes that ``torchrun`` started with this one, connected while the context lasts.

    Args:
        device: what ``--device`` says.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks()
        return
    on_cuda = device_of(device).type == "cuda"
    store, rank, size = next(rendezvous("env://"))
    group = PrefixStore("group", store)
    dist.init_process_group("nccl" if on_cuda else "gloo", store=group, rank=rank, world_size=size)
    try:
        flags = dist.new_group(backend="gloo")
        assert isinstance(flags, dist.ProcessGroup)
        yield Ranks(rank, size, flags)
        dist.barrier(flags)  # who leaves first takes the connections of the others along
    except UsageError as error:
        error.everywhere = _is_said_by_first(store, rank, size, str(error))
        raise
    finally:
        gc.collect()  # networks that are shared among processes hold on to the connections
        dist.destroy_process_group()


def _is_said_by_first(store: Store, rank: int, size: int, sentence: str) -> bool:
    """Whether the first process ends with this sentence too; it waits a little, so that the others can be told."""
    try:
        if rank == 0:
            store.set("usage", sentence)
            store.wait([f"heard {other}" for other in range(1, size)], _PATIENCE)
            return True
        store.wait(["usage"], _PATIENCE)
        same = store.get("usage") == sentence.encode()
        store.set(f"heard {rank}", "")
    except dist.DistError:  # the others go on, or are gone
        return rank == 0
    return bool(same)
