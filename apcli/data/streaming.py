"""A split that worker processes read from its files batch by batch, for data larger than memory."""

import atexit
import logging
import multiprocessing
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from apcli.data.images import square
from apcli.errors import ApcliError

log = logging.getLogger("apcli")


class ReaderLost(ApcliError):
    """A worker process was killed, as the system does when memory runs out."""


@dataclass(frozen=True, eq=False)
class Streamed:
    """Stands in for ``Split``: the same images and labels, decoded each time they are read.

    Args:
        source: (PIL image, label) pairs, by index.
        labels: int64, [N], on the device of the batches.
        chosen: [N], the indices of ``source`` that belong to the split.
        channels: 1 or 3.
        size: side in pixels of the squares that images are cut to.
        workers: number of processes that decode.
    """

    source: Any
    labels: Tensor
    chosen: Tensor
    channels: int
    size: int
    workers: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return self.channels, self.size, self.size

    @property
    def device(self) -> torch.device:
        return self.labels.device

    def read(self, chunks: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images (uint8) and labels of each chunk of indices; workers decode some batches ahead.

        Raises:
            ApcliError: an image cannot be decoded.
            ReaderLost: a worker was killed.
        """
        wanted = [chunk.cpu() for chunk in chunks]
        forked = "fork" in multiprocessing.get_all_start_methods()  # safe: they touch neither CUDA nor threads
        others = set(multiprocessing.active_children())
        with warnings.catch_warnings(), _signals_left_to_the_parent():
            warnings.filterwarnings("ignore", "This DataLoader will create")  # more processes than cores, as requested
            loader = DataLoader(
                _Squares(self),
                batch_sampler=[self.chosen[chunk].tolist() for chunk in wanted],
                num_workers=min(self.workers, len(wanted)),
                collate_fn=_as_it_is,
                pin_memory=self.device.type == "cuda",
                multiprocessing_context="fork" if forked and wanted else None,
            )
            batches = iter(loader)
        workers = set(multiprocessing.active_children()) - others
        kill = partial(_kill, workers)
        atexit.register(kill)  # at exit, multiprocessing itself would ask them to end, and wait
        try:
            for chosen in placed(wanted, self.device):
                yield _next(batches, workers).to(self.device, non_blocking=True), self.labels[chosen]
        finally:
            del batches  # torch lets the workers finish their current batch
            kill()
            atexit.unregister(kill)

    def subset(self, chosen: Tensor) -> "Streamed":
        """The split of the samples at these indices, in their order."""
        return replace(self, labels=self.labels[chosen.to(self.device)], chosen=self.chosen[chosen.cpu()])

    def to(self, device: torch.device | str) -> "Streamed":
        return replace(self, labels=self.labels.to(device))


def placed(chunks: Sequence[Tensor], device: torch.device) -> Sequence[Tensor]:
    """Copy the chunks of indices to the device at once: every copy from the CPU waits for the device."""
    return torch.cat(list(chunks)).to(device).split([len(chunk) for chunk in chunks]) if chunks else ()


class _Squares(Dataset[Tensor]):
    """A worker's data set: whole batches; an error is passed on as its message, without the worker's traceback."""

    def __init__(self, split: Streamed) -> None:
        self.source, self.size, self.grey = split.source, split.size, split.channels == 1

    def __getitems__(self, indices: list[int]) -> Tensor | np.ndarray | str:
        try:
            images = torch.stack([square(self.source, index, self.size, self.grey)[0] for index in indices])
        except ApcliError as error:
            return str(error)
        if torch.utils.data.get_worker_info() is None:
            return images
        try:
            return images.share_memory_()
        except RuntimeError:  # torch would notice only while sending them, and wait for ever
            pixels: np.ndarray = images.numpy()
            return pixels


def _next(batches: Iterator[Any], workers: set[BaseProcess]) -> Tensor:
    """The next batch that the workers have read."""
    try:
        images = next(batches)
    except RuntimeError as error:
        dead = [worker.exitcode for worker in workers if worker.exitcode]
        if not dead:
            raise
        _kill(workers)  # a worker killed while it held the queue's lock leaves the others waiting for it
        how = f"by {signal.Signals(-dead[0]).name}" if dead[0] < 0 else f"with exit code {dead[0]}"
        raise ReaderLost(
            f"a process that decodes images was ended {how}, as the system does when memory runs out: "
            "use fewer --workers or a smaller --batch-size"
        ) from error
    if isinstance(images, str):
        raise ApcliError(images)
    if isinstance(images, Tensor):
        return images
    _warn_of_shared_memory()
    return torch.from_numpy(images)


def _kill(workers: Iterable[BaseProcess]) -> None:
    for worker in workers:
        worker.kill()


@cache
def _warn_of_shared_memory() -> None:
    log.warning(
        "/dev/shm has no room for the images that are decoded ahead, so they pass through pipes, which is slower: "
        "enlarge it (docker run --shm-size 1g), or use fewer --workers"
    )


@contextmanager
def _signals_left_to_the_parent() -> Iterator[None]:
    """Start processes that ignore SIGINT and SIGTERM, without torch's handler of dead workers.

    Such signals may reach the whole process group while the parent still has a state to save; the parent ends the
    workers. Torch's handler would raise even in the middle of a step; the next read notices a dead worker as well.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    dies = signal.getsignal(signal.SIGCHLD)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))  # inherited by the workers
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, dies)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


Batch = TypeVar("Batch")


def _as_it_is(batch: Batch) -> Batch:
    return batch
