"""A recipe by a few options, on tiny data; and a stand-in for CUDA graphs."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from apcli.configs.training import LoopConfig
from apcli.data.datasets import Dataset, Split
from apcli.models.spec import ModelSpec
from apcli.training import captured
from apcli.training.recipe import Recipe, recipe_of


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    split = Split(torch.zeros(4, 1, 4, 4, dtype=torch.uint8), torch.arange(4))
    data = Dataset("tiny", split, split, classes=4, mean=(0.5,), std=(0.25,), augment="none")
    spec = ModelSpec("net.py:net", "user", 4, (1, 4, 4), (0.5,), (0.25,))

    def make(*, device: str = "cpu", **options: Any) -> Recipe:
        return recipe_of(LoopConfig(**{"epochs": 4, "lr": 0.1, **options}), spec, data, torch.device(device))

    return make


class Stream:
    """A stream by its number, as torch hands them out."""

    def __init__(self, number: int) -> None:
        self.number = number

    def wait_stream(self, other: "Stream") -> None:
        pass


class Machine:
    """All of torch.cuda that capture uses. ``fails`` is the error that the recording ends with.

    Attributes:
        recording: the graph that is being recorded; None outside.
        graphs: those that are alive.
        mode: the debug mode that says what waits for the device.
    """

    def __init__(self) -> None:
        self.recording: Any = None
        self.fails = ""
        self.graphs: set[Any] = set()
        self.streams = [Stream(0)]
        self.current = [self.streams[0]]
        self.mode = "default"
        self.pools: list[Any] = []

    def stream(self, device: Any = None) -> Stream:
        self.streams.append(Stream(len(self.streams)))
        return self.streams[-1]

    @contextlib.contextmanager
    def on(self, stream: Stream):
        self.current.append(stream)
        depth = len(self.current)
        yield
        del self.current[depth - 1 :]

    @contextlib.contextmanager
    def graph(self, made: Any, pool: Any, stream: Stream, capture_error_mode: str):
        assert capture_error_mode == "thread_local"
        self.recording = made
        self.pools.append(pool)
        self.current.append(stream)
        try:
            yield
        finally:
            self.recording = None
            if self.fails:  # torch's own: the stream stays the current one
                raise RuntimeError(self.fails)
        self.current.pop()
        self.graphs.add(id(made))


@pytest.fixture
def cuda(monkeypatch) -> Machine:
    machine = Machine()

    class Graph:
        """Replays the function that ran while it was recorded, which held its work back."""

        def __init__(self) -> None:
            self.replay: Callable[[], None] = lambda: None

        def pool(self) -> int:
            return id(self)

        def __del__(self) -> None:
            machine.graphs.discard(id(self))

    for name, stand_in in {
        "is_available": lambda: True,
        "CUDAGraph": Graph,
        "graph": machine.graph,
        "Stream": machine.stream,
        "stream": machine.on,
        "current_stream": lambda: machine.current[-1],
        "synchronize": lambda: None,
        "set_sync_debug_mode": lambda mode: setattr(machine, "mode", mode),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    captured._streams.cache_clear()
    yield machine
    captured._streams.cache_clear()
