"""CUDA graphs: a function's kernels recorded once and launched as one, so that no step waits for Python."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

log = logging.getLogger("apcli")

_EAGER_CALLS = 3  # before capture: libraries choose kernels and optimisers make their state on the first calls


class Captured:
    """A function of tensors that returns nothing, run from a CUDA graph once it has been called a few times.

    All calls count: the first run as they are (on the stream that capture needs), the next is recorded, and every
    later one of the same shapes copies its arguments to where the recorded kernels read them. Calls of other shapes (a
    smaller last batch) run as they are. What the function changes must keep its place in memory; what it reads from
    Python is fixed at capture. Where capture fails it is said once, and all calls run as they are.

    Args:
        function: nothing in it waits for the device.
        enabled: False on other devices than CUDA, and where a step is not always the same.
    """

    def __init__(self, function: Callable[..., None], *, enabled: bool) -> None:
        self._function = function
        self._enabled = enabled and torch.cuda.is_available()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._calls = 0

    def __call__(self, *inputs: Tensor) -> None:
        if not self._enabled:
            self._function(*inputs)
        elif self._graph is not None and self._fits(inputs):
            for place, given in zip(self._inputs, inputs, strict=True):
                place.copy_(given)
            self._graph.replay()
        elif self._graph is None and self._calls >= _EAGER_CALLS:
            self._capture(inputs)
        else:
            self._beside(inputs)
        self._calls += 1

    def _fits(self, inputs: tuple[Tensor, ...]) -> bool:
        return all(place.shape == given.shape for place, given in zip(self._inputs, inputs, strict=True))

    def _beside(self, inputs: tuple[Tensor, ...]) -> None:
        """Run on a side stream, as capture does: what autograd keeps then belongs to no other."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._function(*inputs)
        torch.cuda.current_stream().wait_stream(stream)

    def _capture(self, inputs: tuple[Tensor, ...]) -> None:
        """Record the call, then run it from the record: a capture computes nothing."""
        graph = torch.cuda.CUDAGraph()
        self._inputs = tuple(given.clone() for given in inputs)
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads go on loading
                self._function(*self._inputs)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            log.warning("a step cannot be captured as a CUDA graph (%s): its kernels are launched one by one", reason)
            self._enabled = False
            self._function(*inputs)
            return
        self._graph = graph
        graph.replay()
