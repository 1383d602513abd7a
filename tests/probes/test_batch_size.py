"""The batch size by the largest tensor of a forward pass."""

import pytest
import torch
from torch import nn

from apcli.probes.batch_size import halved_if_needed, images_at_once

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("width", "most", "expected"),
    [
        (1 << 15, 512, 64),  # 128 KiB an image: 64 of them are 8 MiB
        (1 << 14, 512, 128),
        (1 << 14, 100, 100),
        (1 << 18, 512, 32),  # never fewer: weights are read once a batch
        (4, 512, 512),
        (1 << 18, 8, 8),
    ],
)
def test_the_largest_tensor_is_of_eight_mebibytes(width, most, expected):
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, width, bias=False), nn.Linear(width, 2, bias=False))
    assert images_at_once(network, (1, 2, 2), CPU, most) == expected


def test_a_gpu_takes_as_many_as_it_is_given():
    assert images_at_once(nn.Flatten(), (1, 2, 2), torch.device("cuda:0"), 512) == 512


# ---- where memory runs out

CPUS = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError(CPUS)])
def test_the_batch_is_halved_once_with_a_word(error, caplog):
    asked = []

    def work(size: int) -> int:
        asked.append(size)
        if size > limit:
            raise error
        return size

    limit = 40
    assert halved_if_needed(work, 64) == 32
    assert asked == [64, 32]
    assert "memory ran out with 64 images at a time: they are measured again, 32 at a time" in caplog.text
    limit = 8
    with pytest.raises(type(error)):
        halved_if_needed(work, 64)
    assert asked[2:] == [64, 32]
    limit = 0
    with pytest.raises(type(error)):
        halved_if_needed(work, 1)


def test_another_error_is_another_error():
    def fails(size: int) -> None:
        raise RuntimeError(f"{size}")

    with pytest.raises(RuntimeError, match="64"):
        halved_if_needed(fails, 64)
