"""A split that is read from its files batch by batch, by worker processes: for sets that memory does not hold."""

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
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from apcli.data.images import square
from apcli.errors import ApcliError

log = logging.getLogger("apcli")


class ReaderLost(ApcliError):
    """A worker process is gone, which the system does to one that takes too much memory."""


@dataclass(frozen=True, eq=False)
class Streamed:
    """Stands in for ``Split``: the same images and labels, decoded anew each time they are read.

    Args:
        source: (PIL image, label) pairs, by index.
        labels: int64, [N], on the device where the batches go.
        chosen: [N], the indices of ``source`` that the split holds.
        channels: 1 or 3.
        size: side in pixels of the squares that images are cut to.
        workers: processes that decode.
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
        """The images (uint8) and labels of each chunk of indices, one after another, some batches ahead.

        Raises:
            ApcliError: an image cannot be decoded.
            ReaderLost: a worker was killed.
        """
        wanted = [chunk.cpu() for chunk in chunks]
        forked = "fork" in multiprocessing.get_all_start_methods()  # at once, and they touch neither CUDA nor threads
        others = set(multiprocessing.active_children())
        with warnings.catch_warnings(), _signals_left_to_the_parent():
            warnings.filterwarnings("ignore", "This DataLoader will create")  # more processes than cores, as was asked
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
        atexit.register(kill)  # at the latest: multiprocessing itself would ask them to end, and wait
        try:
            for chosen in placed(wanted, self.device):
                yield _next(batches, workers).to(self.device, non_blocking=True), self.labels[chosen]
        finally:
            del batches  # torch lets them finish the batch that they are at
            kill()
            atexit.unregister(kill)

    def subset(self, chosen: Tensor) -> "Streamed":
        """The samples of these indices, in their order."""
        return replace(self, labels=self.labels[chosen.to(self.device)], chosen=self.chosen[chosen.cpu()])

    def to(self, device: torch.device | str) -> "Streamed":
        return replace(self, labels=self.labels.to(device))


def placed(chunks: Sequence[Tensor], device: torch.device) -> Sequence[Tensor]:
    """The chunks of indices on the device, by one copy: each copy from the CPU waits for the device."""
    return torch.cat(list(chunks)).to(device).split([len(chunk) for chunk in chunks]) if chunks else ()


class _Squares(Dataset[Tensor]):
    """What a worker reads: whole batches; an error is handed over as its sentence, without the worker's traceback."""

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
        except RuntimeError:  # torch would only find out while it sends them, and wait for ever
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
        _kill(workers)  # one that was ended with a lock of their queue in hand leaves the others waiting for it
        how = f"by {signal.Signals(-dead[0]).name}" if dead[0] < 0 else f"with exit code {dead[0]}"
        raise ReaderLost(
            f"a process that decodes images was ended {how}, as the system does where memory runs out: "
            "give fewer --workers, or a smaller --batch-size"
        ) from error
    if isinstance(images, str):
        raise ApcliError(images)
    if isinstance(images, Tensor):
        return images
    _tell_of_shared_memory()
    return torch.from_numpy(images)


def _kill(workers: Iterable[BaseProcess]) -> None:
    for worker in workers:
        worker.kill()


@cache
def _tell_of_shared_memory() -> None:
    log.warning(
        "/dev/shm has no room for the images that are decoded ahead, so they go through pipes, which is slower: "
        "give the container more (docker run --shm-size 1g), or fewer --workers"
    )


@contextmanager
def _signals_left_to_the_parent() -> Iterator[None]:
    """Processes started within it let signals to end pass; and torch does not raise of a dead one at any moment.

    Such signals may reach the whole group of processes, and the parent may yet have a state to save: it ends the
    workers. Torch's own handler of dead ones would raise also in the middle of a step; who reads finds out as well.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    dies = signal.getsignal(signal.SIGCHLD)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))  # which they inherit
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, dies)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _as_it_is(batch: Any) -> Any:
    return batch
