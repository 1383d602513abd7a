"""Latency by a clock that the networks move themselves: no test waits, and none depends on the machine."""

from statistics import median

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from apcli.probes import latency as module
from apcli.probes.latency import Latency, latency, layer_latencies


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Timed(nn.Module):
    """Takes the given seconds, call after call, and notes how it was called."""

    def __init__(self, clock: Clock, seconds: list[float], log: list[str], name: str = "") -> None:
        super().__init__()
        self.inner = nn.Dropout()
        self.inner.eval()
        self.clock, self.seconds, self.log, self.name = clock, iter(seconds), log, name

    def forward(self, images: Tensor) -> Tensor:
        assert torch.is_inference_mode_enabled()
        assert not self.training
        self.clock.now += next(self.seconds)
        self.log.append(self.name)
        return images


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "perf_counter", made)
    return made


def test_quartiles_of_the_runs_after_warm_up(clock):
    seconds = [100.0, 50.0, 5.0, 1.0, 9.0, 3.0, 2.0]
    log: list[str] = []
    model = Timed(clock, seconds, log)
    (found,) = latency([model], torch.zeros(2, 3), warmup=2, runs=5)
    low, middle, high = np.quantile(seconds[2:], [0.25, 0.5, 0.75])
    assert found == Latency(median=pytest.approx(middle), low=pytest.approx(low), high=pytest.approx(high), runs=5)
    assert found.median == median(seconds[2:])
    assert len(log) == 7
    assert model.training
    assert not model.inner.training


def test_networks_take_turns(clock):
    log: list[str] = []
    dense, pruned = Timed(clock, [4.0] * 9, log, "dense"), Timed(clock, [2.0] * 9, log, "pruned")
    found = latency([dense, pruned], torch.zeros(1, 3), warmup=1, runs=3)
    assert log == ["dense", "pruned"] * 4
    assert [one.median for one in found] == [4.0, 2.0]
    assert [one.low for one in found] == [one.high for one in found] == [4.0, 2.0]


def test_the_device_is_waited_for_before_and_after_each_run(clock, monkeypatch):
    """Kernels are put on a device's queue; the time counts that it takes to work the queue off."""
    log: list[str] = []

    def finish(device: torch.device) -> None:
        log.append(device.type)
        clock.now += 7.0 if log[-2:-1] == ["model"] else 100.0

    monkeypatch.setattr(torch.accelerator, "synchronize", finish)
    model = Timed(clock, [1.0] * 4, log, "model")
    (found,) = latency([model], torch.zeros(1, 3, device="meta"), warmup=1, runs=3)
    assert log == ["meta", "model", "meta"] * 4
    assert found.median == 8.0


def test_no_mode_is_left_behind_by_a_network_that_fails(clock):
    model = Timed(clock, [1.0], [])
    with pytest.raises(StopIteration):
        latency([model], torch.zeros(1, 3), warmup=0, runs=2)
    assert model.training
    assert not model.inner.training
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("runs", [{"warmup": -1, "runs": 5}, {"warmup": 0, "runs": 1}])
def test_too_few_runs(runs):
    with pytest.raises(ValueError, match="expected 0 or more, and 2 or more"):
        latency([nn.Identity()], torch.zeros(1), **runs)


def test_real_networks_keep_their_values(case, unchanged):
    check = unchanged(case.model)
    (found,) = latency([case.model], case.images, warmup=1, runs=4)
    assert 0 < found.low <= found.median <= found.high
    check()


class Layers(nn.Module):
    """A convolution, a depthwise one, and a linear layer that is called twice; one is not called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8, bias=False)
        self.fc = nn.Linear(8, 8)
        self.unused = nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        rows = self.depthwise(self.conv(images)).mean(dim=(2, 3))
        return self.fc(self.fc(rows))


def test_layers_are_timed_alone_at_several_widths(monkeypatch):
    """A clock that says how large what was timed is: what a layer takes is its weight's size."""

    def timed(models, example, *, warmup, runs):
        (model,) = models
        assert (warmup, runs) == (1, 3)
        with torch.inference_mode():
            model(example)
        seconds = float(model.weight.numel())
        return [Latency(seconds, seconds, seconds, runs)]

    monkeypatch.setattr(module, "latency", timed)
    found = layer_latencies(Layers(), torch.zeros(2, 3, 6, 6), warmup=1, runs=3)
    assert list(found) == ["conv.weight", "depthwise.weight", "fc.weight"]
    conv, depthwise, fc = found.values()
    assert sorted(zip(conv.rows, conv.columns, strict=True)) == [(r, c) for r in (2, 4, 6, 8) for c in (1, 2, 3)]
    assert conv.seconds == tuple(9.0 * r * c for r, c in zip(conv.rows, conv.columns, strict=True))
    assert (depthwise.rows, depthwise.columns) == ((2, 4, 6, 8), (1,) * 4)
    assert depthwise.seconds == (18.0, 36.0, 54.0, 72.0)
    assert fc.seconds == tuple(2.0 * r * c for r, c in zip(fc.rows, fc.columns, strict=True))
