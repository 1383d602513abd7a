"""Capture on a stand-in for CUDA: which calls run as they are, which are recorded, and that each counts once."""

import contextlib
import logging

import pytest
import torch

from apcli.training.captured import Captured


class Graph:
    """Records the function that runs within ``torch.cuda.graph`` by holding its call back, and replays it."""

    def __init__(self) -> None:
        self.replay = None


@pytest.fixture
def cuda(monkeypatch):
    """Every piece of torch.cuda that capture uses; ``fails`` makes the recording raise."""
    state = {"recording": None, "fails": False}

    @contextlib.contextmanager
    def graph(made, capture_error_mode):
        assert capture_error_mode == "thread_local"
        state["recording"] = made
        yield
        state["recording"] = None
        if state["fails"]:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    stream = type("Stream", (), {"wait_stream": lambda self, other: None})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "Stream", stream)
    monkeypatch.setattr(torch.cuda, "current_stream", stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    return state


def test_every_call_counts_once_whatever_its_shape(cuda):
    """Kernels of a recorded call run at replay only, and read what lies in the recorded inputs then."""
    total, launched = torch.zeros(()), []

    def function(values):
        if cuda["recording"] is None:
            launched.append("as it is")
            total.add_(values.sum())
        else:

            def replay():
                launched.append("replayed")
                total.add_(values.sum())

            cuda["recording"].replay = replay

    call, expected = Captured(function, enabled=True), 0.0
    shapes = [4, 4, 4, 4, 4, 3, 4, 1, 4]
    for number, size in enumerate(shapes):
        values = torch.full((size,), float(number))
        call(values)
        values.fill_(-1000)  # whoever kept the caller's tensor would read this
        expected += number * size
        assert total == expected, number
    assert launched == ["as it is"] * 3 + ["replayed"] * 2 + ["as it is", "replayed", "as it is", "replayed"]


def test_a_failed_capture_is_said_once_and_all_calls_still_count(cuda, caplog):
    cuda["fails"] = True
    seen = []
    call = Captured(lambda values: seen.append(float(values.sum())) if not cuda["recording"] else None, enabled=True)
    for number in range(8):
        call(torch.tensor([float(number)]))
    assert seen == [float(number) for number in range(8)]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cannot be captured as a CUDA graph (operation not permitted when stream is capturing)" in caplog.text


def test_without_cuda_or_when_not_wanted_all_calls_run_as_they_are(cuda, monkeypatch):
    seen = []
    for enabled, there in ((False, True), (True, False)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        call = Captured(lambda values: seen.append(cuda["recording"]), enabled=enabled)
        for _ in range(6):
            call(torch.zeros(1))
    assert seen == [None] * 12


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_recorded_step_trains_as_a_launched_one():
    def trained(enabled: bool) -> torch.Tensor:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).cuda()
        optimiser = torch.optim.SGD(model.parameters(), lr=torch.tensor(0.1, device="cuda"), momentum=0.9, fused=True)

        def step(inputs: torch.Tensor) -> None:
            optimiser.zero_grad()
            model(inputs).square().mean().backward()
            optimiser.step()

        call = Captured(step, enabled=enabled)
        for number in range(10):
            call(torch.randn(16 if number != 7 else 5, 8, device="cuda"))
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(trained(True), trained(False))
