"""A split that is read from its files batch by batch, by worker processes: for sets that memory does not hold."""

import multiprocessing
import signal
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from apcli.data.images import square
from apcli.errors import ApcliError


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
        """
        wanted = [chunk.cpu() for chunk in chunks]
        forked = "fork" in multiprocessing.get_all_start_methods()  # at once, and they touch neither CUDA nor threads
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create")  # more processes than cores, as was asked
            loader = DataLoader(
                _Squares(self),
                batch_sampler=[self.chosen[chunk].tolist() for chunk in wanted],
                num_workers=min(self.workers, len(wanted)),
                collate_fn=_as_it_is,
                pin_memory=self.device.type == "cuda",
                worker_init_fn=_leave_signals_to_the_parent,
                multiprocessing_context="fork" if forked and wanted else None,
            )
            batches = iter(loader)
        for chosen, images in zip(placed(wanted, self.device), batches, strict=True):
            if isinstance(images, str):
                raise ApcliError(images)
            yield images.to(self.device, non_blocking=True), self.labels[chosen]

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

    def __getitems__(self, indices: list[int]) -> Tensor | str:
        try:
            return torch.stack([square(self.source, index, self.size, self.grey)[0] for index in indices])
        except ApcliError as error:
            return str(error)


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ctrl-C reaches the whole group of processes, and the parent may yet have a state to save before it ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
