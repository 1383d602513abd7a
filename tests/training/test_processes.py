"""What processes agree on, in a world of one process that believes in two."""

import warnings

import pytest
import torch
import torch.distributed as dist
from torch import nn

from apcli.training.processes import Processes


@pytest.fixture
def two():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield Processes(0, 2, dist.new_group(backend="gloo"))
    dist.destroy_process_group()


def test_a_flag_is_known_at_once_or_without_waiting_at_the_next_call(two):
    said = [False, True, False, False]
    assert [two.any(flag) for flag in said] == said
    assert [two.any_before(flag) for flag in said] == [False, False, True, False]
    assert [Processes().any_before(flag) for flag in said] == said


def test_shared_gradients_of_kernels_of_one_pixel_do_not_warn_of_their_strides(two):
    network = nn.Conv2d(3, 4, 1).to(memory_format=torch.channels_last)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        two.together(network, lambda: False)(torch.ones(1, 3, 2, 2)).sum().backward()
        warnings.warn("Grad strides do not match bucket view strides. This may indicate", stacklevel=1)  # on CUDA
    assert told == []
    assert network.weight.grad is not None
