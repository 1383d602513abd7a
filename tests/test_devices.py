"""Devices by name, on a stand-in for CUDA: which one is meant, and what is set for all that runs on it."""

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from apcli.devices import device_of
from apcli.errors import UsageError


@pytest.fixture
def two_gpus(monkeypatch) -> Iterator[list[int]]:
    """Two devices of which number 1 is current; gives the numbers that were made current."""
    chosen: list[int] = []

    def empty(size: int, *, device: str) -> SimpleNamespace:
        place = torch.device(device)
        return SimpleNamespace(device=torch.device("cuda", 1 if place.index is None else place.index))

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(torch._C, "_cuda_setDevice", chosen.append, raising=False)
    monkeypatch.setitem(os.environ, "CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.delitem(os.environ, "LOCAL_RANK", raising=False)
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark
    cudnn.allow_tf32 = matmul.allow_tf32 = True
    yield chosen
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark = before
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(("name", "number"), [("auto", 1), ("cuda", 1), ("cuda:0", 0)])
def test_a_device_has_its_number_and_becomes_the_current_one(two_gpus, name, number):
    """``torch.cuda.set_device`` takes no device without a number."""
    assert device_of(name) == torch.device("cuda", number)
    assert two_gpus == [number]


def test_each_process_of_torchrun_has_its_own(two_gpus, monkeypatch):
    monkeypatch.setitem(os.environ, "LOCAL_RANK", "0")
    assert [device_of(name).index for name in ("auto", "cuda", "cuda:1")] == [0, 0, 1]


@pytest.mark.parametrize("deterministic", [True, False])
def test_float32_is_float32_on_cuda(two_gpus, deterministic):
    device_of("cuda", deterministic=deterministic)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.deterministic == deterministic
    with torch.backends.cudnn.flags(enabled=False):  # raises where torch's newer names were set
        assert not torch.backends.cudnn.enabled


def test_a_gpu_is_called_cuda():
    for given, ours in (("gpu", "cuda"), ("gpu:1", "cuda:1")):
        with pytest.raises(UsageError, match=f"--device {given}: here it is {ours}; expected auto"):
            device_of(given)


@pytest.mark.parametrize("device", ["nowhere", "cuda:99", "", "meta:x"])
def test_the_cpu_is_itself_and_what_is_not_there_is_said(device):
    with pytest.raises(
        UsageError, match=rf"--device {device} cannot be used( \(.*\))?: expected auto, cpu, cuda or cuda:N"
    ):
        device_of(device)
    assert device_of("cpu") == torch.device("cpu")
