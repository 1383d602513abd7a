"""Capture on a stand-in for CUDA: which calls run as they are, which are recorded, and that each counts once."""

import logging
import warnings
import weakref

import pytest
import torch

from apcli.training.captured import Captured


class Sum:
    """A step that adds up what it is given, and notes how: ``launched`` has a word and a size for each call."""

    def __init__(self, machine) -> None:
        self.machine, self.total, self.launched = machine, torch.zeros(()), []

    def __call__(self, values: torch.Tensor) -> None:
        def run(how: str) -> None:
            self.launched.append((how, len(values)))
            self.total.add_(values.sum())

        if self.machine.recording is None:
            run("as it is")
        else:  # kernels of a recorded call run at replay only, and read what lies in the recorded inputs then
            self.machine.recording.replay = lambda: run("replayed")


class OnCuda(torch.Tensor):
    """A tensor that says it lies on CUDA."""

    is_cuda = True


def on_cuda(size: int, value: float = 1.0) -> torch.Tensor:
    return torch.full((size,), value).as_subclass(OnCuda)


def test_every_call_counts_once_whatever_its_shape(cuda):
    step = Sum(cuda)
    call, expected = Captured(step, enabled=True), 0.0
    for number, size in enumerate([4, 4, 4, 4, 4, 3, 4, 1, 4]):
        values = on_cuda(size, number)
        call(values)
        values.fill_(-1000)  # whoever kept the caller's tensor would read this
        expected += number * size
        assert step.total == expected, number


def test_each_shape_is_recorded_once_it_has_come_three_times(cuda):
    """Where three whole batches and a part make an epoch, the fourth call is the part."""
    step = Sum(cuda)
    call = Captured(step, enabled=True)
    for _ in range(6):
        for size in (40, 40, 40, 24):
            call(on_cuda(size))
    eager = [size for how, size in step.launched if how == "as it is"]
    assert (eager.count(40), eager.count(24)) == (3, 3)
    assert len(step.launched) == 24


def test_a_call_that_runs_as_it_is_finds_the_memory_of_the_recorded_ones_free(cuda):
    """Else a batch size that fits dies at the end of the first epoch, with its last, smaller batch."""
    alive = []
    step = Sum(cuda)

    def watched(values: torch.Tensor) -> None:
        if cuda.recording is None:
            alive.append(len(cuda.graphs))
        step(values)

    call = Captured(watched, enabled=True)
    for _ in range(6):
        for size in (4, 4, 4, 4, 3):
            call(on_cuda(size))
    assert set(alive) == {0}
    assert len(cuda.graphs) == 2
    first, *_, last = cuda.pools
    assert first is None
    assert last in cuda.graphs  # the second shape works in the first one's memory


def test_streams_are_two_for_all_and_nothing_but_capture_uses_the_second(cuda):
    used = {"eager": set(), "recorded": set()}

    def step(values: torch.Tensor) -> None:
        used["eager" if cuda.recording is None else "recorded"].add(cuda.current[-1].number)

    for _ in range(20):
        call = Captured(step, enabled=True)
        for size in (4, 4, 4, 4, 3, 2, 1):
            call(on_cuda(size))
    assert used == {"eager": {1}, "recorded": {2}}
    assert cuda.current == [cuda.streams[0]]


@pytest.mark.parametrize("reason", ["operation not permitted when stream is capturing", "CUDA out of memory"])
def test_a_failed_capture_is_said_once_and_all_calls_still_count(cuda, caplog, reason):
    """The reason is the first error, not the one that ending the capture raises; and its tensors are let go."""
    cuda.fails = "operation failed due to a previous error during capture\nmore"
    large: list[weakref.ref] = []
    seen: list[float] = []

    def step(values: torch.Tensor) -> None:
        if cuda.recording is not None:
            activations = Sum(cuda)
            large.append(weakref.ref(activations))
            raise RuntimeError(f"{reason}\nmore")
        assert not any(found() for found in large)
        seen.append(float(values.sum()))

    call = Captured(step, enabled=True)
    for number in range(8):
        call(on_cuda(1, number))
    assert seen == [float(number) for number in range(8)]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"cannot be captured as a CUDA graph ({reason})" in caplog.text
    assert cuda.current == [cuda.streams[0]]  # a failed capture leaves its own


def test_what_waits_for_the_device_is_not_captured_and_told_where(cuda, caplog):
    """A failed capture leaves torch 2.11 without a generator of random numbers, so it is not tried."""
    modes, seen = [], []

    def step(values: torch.Tensor) -> None:
        modes.append(cuda.mode)
        seen.append(float(values.sum()))
        if cuda.mode == "warn":  # as torch does for each such operation
            warnings.warn("called a synchronizing CUDA operation (Triggered internally)", stacklevel=1)
            warnings.warn("of another kind", FutureWarning, stacklevel=1)

    call = Captured(step, enabled=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for number in range(8):
            call(on_cuda(1, number))
    assert [str(warning.message) for warning in told] == ["of another kind"]
    assert modes == ["default", "default", "warn", *["default"] * 5]
    assert seen == [float(number) for number in range(8)]
    assert not cuda.pools
    assert "test_captured.py" in caplog.text
    assert "waits for the device" in caplog.text


@pytest.mark.parametrize(("enabled", "place"), [(False, on_cuda), (True, torch.ones)])
def test_elsewhere_or_when_not_wanted_all_calls_run_as_they_are(cuda, enabled, place):
    """On a machine with CUDA, too: what lies on the CPU would run in an empty capture, and never again."""
    step = Sum(cuda)
    call = Captured(step, enabled=enabled)
    for _ in range(6):
        call(place(2))
    assert step.launched == [("as it is", 2)] * 6
    assert len(cuda.streams) == 1


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
