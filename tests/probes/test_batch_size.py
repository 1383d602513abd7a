"""The batch size by the largest tensor of a forward pass."""

import pytest
import torch
from torch import nn

from apcli.probes.batch_size import images_at_once

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
