"""CUDA graphs: record a function's kernels once and launch them together, so that no step waits for Python."""

import logging
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

log = logging.getLogger("apcli")

_EAGER_CALLS = 3  # for each shape before capture: libraries choose kernels and optimisers create their state

InputShapes = tuple[torch.Size, ...]


class Captured:
    """A function of tensors without a return value, run from CUDA graphs: one for each shape of its arguments.

    Every call has its effect. The first calls with a shape run uncaptured on a side stream, the next one is recorded,
    and every later one copies its arguments to where the recorded kernels read them. Tensors that the function changes
    must keep their place in memory; values that it reads from Python are fixed at capture. If the function waits for
    the device, or if capture fails, that is logged once and all calls run uncaptured.

    Recorded calls keep their working memory and share it among shapes. An uncaptured call needs its own, so the
    records are dropped before it and made again later: memory need never hold two calls.

    ``torch.cuda.make_graphed_callables`` is not enough: it captures forward and backward passes, but no optimiser step.

    Args:
        function: must not wait for the device.
        enabled: False if steps differ. Calls with tensors outside CUDA are never captured.
    """

    def __init__(self, function: Callable[..., None], *, enabled: bool) -> None:
        self._function = function
        self._enabled = enabled
        self._recorded: dict[InputShapes, tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...]]] = {}
        self._calls: Counter[InputShapes] = Counter()

    def __call__(self, *inputs: Tensor) -> None:
        if not (self._enabled and inputs[0].is_cuda):
            self._function(*inputs)
            return
        shapes = tuple(given.shape for given in inputs)
        if shapes in self._recorded:
            graph, places = self._recorded[shapes]
            for place, given in zip(places, inputs, strict=True):
                place.copy_(given)
            graph.replay()
        elif self._calls[shapes] >= _EAGER_CALLS:
            self._record(shapes, inputs)
        else:
            self._calls[shapes] += 1
            self._run_beside(inputs, look=self._calls[shapes] == _EAGER_CALLS)

    def _run_beside(self, inputs: tuple[Tensor, ...], *, look: bool) -> None:
        """Run on a side stream, as capture does: autograd's buffers then belong to no other stream."""
        if self._recorded:
            torch.cuda.synchronize()  # wait until no recorded call runs any more
            self._recorded.clear()
        side, _ = _streams(inputs[0].device)
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            if look:
                self._look(inputs)
            else:
                self._function(*inputs)
        torch.cuda.current_stream().wait_stream(side)

    def _look(self, inputs: tuple[Tensor, ...]) -> None:
        """Run, and detect operations that wait for the device: capturing one fails, and torch 2.11 does not recover."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")  # this call itself warns that it is a prototype
            try:
                self._function(*inputs)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        for warning in caught:
            message = str(warning.message)
            if "synchronizing CUDA operation" in message and self._enabled:
                self._give_up(f"{Path(warning.filename).name}:{warning.lineno} waits for the device")
            elif "synchroniz" not in message.lower():
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)

    def _record(self, shapes: InputShapes, inputs: tuple[Tensor, ...]) -> None:
        """Record the call, then run it from the record: a capture computes nothing."""
        graph = torch.cuda.CUDAGraph()
        places = tuple(given.clone() for given in inputs)
        pool = next((recorded.pool() for recorded, _ in self._recorded.values()), None)
        _, stream = _streams(inputs[0].device)
        # A failed capture leaves its stream current, and other threads keep loading data meanwhile.
        with torch.cuda.stream(torch.cuda.current_stream()):
            try:
                with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                    self._function(*places)
            except RuntimeError as error:
                self._give_up(str(error.__context__ or error).strip().partition("\n")[0])  # the last error names none
        if self._enabled:
            self._recorded[shapes] = graph, places
            graph.replay()
            return
        del graph, places  # the call needs their memory (the traceback's tensors are already freed)
        self._recorded.clear()
        self._function(*inputs)

    def _give_up(self, reason: str) -> None:
        log.warning("a step cannot be captured as a CUDA graph (%s): it runs uncaptured, which is slower", reason)
        self._enabled = False


@cache
def _streams(device: torch.device) -> tuple[torch.cuda.Stream, torch.cuda.Stream]:
    """The side stream and the capture stream of a device, the same two for the whole process.

    torch hands out 32 streams in turn and caches memory and cuBLAS workspaces for each. Destroying a graph frees the
    workspaces of its stream (torch 2.12 to 2.14), so no other work may use that stream.
    """
    return torch.cuda.Stream(device), torch.cuda.Stream(device)
