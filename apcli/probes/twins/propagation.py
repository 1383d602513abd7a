"""The pass: linear bounds of two networks' outputs, and of their difference, from the last step back to the input."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from apcli.models.copies import copy_of
from apcli.probes.traced.operations import Refusal, check, operations
from apcli.probes.twins.relaxations import Forms, Interval, Maximum, Reach, Relaxation, Relu, dot, parts_of, plus
from apcli.probes.twins.steps import Step, steps_of

LARGEST = 1 << 15  # values that are bounded on the way: the work grows with their square
_AT_ONCE = 1 << 24  # numbers in the rows of one pass: 128 MiB


@dataclass(frozen=True)
class Envelope:
    """Functions above which no row goes within the box: slopes'input + constant; float64 [rows, inputs] and [rows]."""

    slopes: np.ndarray
    constants: np.ndarray


class Twins:
    """Two networks of one structure in float64, with what bounds them.

    Args:
        input_size: channels, height, width.

    Attributes:
        networks: the dense and the pruned one.

    Raises:
        Refusal: an operation cannot be bounded, the networks differ in their steps, or they are too large for the pass.
    """

    def __init__(self, dense: nn.Module, pruned: nn.Module, input_size: tuple[int, int, int]) -> None:
        self.networks = [copy_of(network).double().eval().requires_grad_(False) for network in (dense, pruned)]
        self._device = next(self.networks[0].parameters()).device
        self.steps, self._pruned = (self._steps(network, input_size) for network in self.networks)
        if [(one.kind, one.of, one.shape) for one in self.steps] != [(o.kind, o.of, o.shape) for o in self._pruned]:
            raise Refusal(
                type(dense).__name__, "the two networks differ in their shapes: expected files of the same shapes"
            )
        bounded = {step.of[0] for step in self.steps if step.kind in ("relu", "max")}
        count = sum(math.prod(self.steps[place].shape) for place in bounded)
        if count > LARGEST:
            raise Refusal(
                type(dense).__name__,
                f"it has {count:,} values before ReLU and pooling: bounds are propagated through {LARGEST:,} at most",
            )

    def _steps(self, network: nn.Module, input_size: tuple[int, int, int]) -> list[Step]:
        example = torch.zeros(1, *input_size, dtype=torch.float64, device=self._device)
        found = operations(network, example)
        steps = steps_of(found)
        check(found, network, example)
        return steps

    @property
    def classes(self) -> int:
        return self.steps[-1].shape[-1]

    def over(self, centre: Tensor, radius: Tensor) -> "Box":
        """What is known of the two networks in the box centre +- radius: float64 [1, *input_size] each."""
        return Box(self, centre.to(self._device).double(), radius.to(self._device).double())

    def pull(self, place: int, forms: Forms) -> Forms:
        """Forms of an affine step's results as forms of what it takes, exactly.

        With x -> Lx + b and y -> My + c, the difference becomes Md + (L - M)x + b - c.
        """
        dense, pruned, difference = forms.tracks
        with_dense = plus(dense, difference)
        without = None if difference is None else -difference
        shape = self.steps[self.steps[place].of[0]].shape
        of_dense, constant = _pulled(self.steps[place].apply, with_dense, shape)
        of_difference, lost = _pulled(self._pruned[place].apply, without, shape)
        of_pruned, more = _pulled(self._pruned[place].apply, pruned, shape)
        return Forms(
            forms.constant + constant + lost + more,
            dense=plus(of_dense, of_difference),
            pruned=of_pruned,
            difference=None if of_difference is None else -of_difference,
        )


def _pulled(
    apply: Callable[..., Tensor], rows: Tensor | None, shape: tuple[int, ...]
) -> tuple[Tensor | None, Tensor | float]:
    """L'rows and rows'b for the affine x -> Lx + b."""
    if rows is None:
        return None, 0.0
    outputs, pull, *_ = torch.func.vjp(apply, rows.new_zeros(shape))
    pulled: Tensor = torch.func.vmap(lambda row: pull(row[None])[0][0])(rows)
    return pulled, dot(rows, outputs)


class Box:
    """Bounds over one box of inputs; each step's are found once, in order, as those of later steps need them."""

    def __init__(self, twins: Twins, centre: Tensor, radius: Tensor) -> None:
        self.twins, self.centre, self.radius = twins, centre, radius
        self._relaxations: dict[int, Relaxation] = {}
        reach: dict[int, Reach] = {}
        with torch.no_grad():
            for place, step in enumerate(twins.steps):
                if step.kind in ("relu", "max"):
                    before = step.of[0]
                    if before not in reach:
                        reach[before] = self.reach(before)
                    known = reach[before]
                    self._relaxations[place] = Maximum(known, step.window) if step.window else Relu(known)

    def reach(self, place: int = -1) -> Reach:
        """Bounds of a step's result in each track; of the outputs by default."""
        place %= len(self.twins.steps)
        shape = self.twins.steps[place].shape
        size = math.prod(shape)
        at_once = max(1, _AT_ONCE // max(math.prod(one.shape) for one in self.twins.steps))
        found: dict[str, list[list[Tensor]]] = {"dense": [], "pruned": [], "difference": []}
        for part in parts_of(size, at_once):
            unit = torch.zeros(len(part), size, dtype=torch.float64, device=self.centre.device)
            unit[range(len(part)), part] = 1
            rows = unit.view(-1, *shape[1:])
            for track, bounds in found.items():
                bounds.append([sign * self.highest(place, **{track: sign * rows}) for sign in (-1, 1)])
        pairs = ([torch.cat(side).view(shape) for side in zip(*bounds, strict=True)] for bounds in found.values())
        return Reach(*(Interval(*pair) for pair in pairs)).narrowed

    def highest(self, place: int = -1, **tracks: Tensor) -> Tensor:
        """The largest value that each row of forms of a step's result can have in the box: [rows]."""
        slopes, constant = self._at_input(place, **tracks)
        return constant + dot(slopes, self.centre) + dot(slopes.abs(), self.radius)

    def envelope(self, **tracks: Tensor) -> Envelope:
        """Affine functions of the input above rows of forms of the outputs [rows, classes], by track."""
        slopes, constant = self._at_input(-1, **tracks)
        return Envelope(slopes.flatten(1).cpu().numpy(), constant.cpu().numpy())

    def _at_input(self, place: int, **tracks: Tensor) -> tuple[Tensor, Tensor]:
        steps = self.twins.steps
        place %= len(steps)
        rows = next(iter(tracks.values()))
        zero = rows.new_zeros(len(rows))
        waiting = {place: Forms(zero, **tracks)}
        with torch.no_grad():
            for here in range(place, 0, -1):
                forms = waiting.pop(here, None)
                if forms is None:
                    continue
                step = steps[here]
                if step.kind == "affine":
                    forms = self.twins.pull(here, forms)
                elif step.kind != "sum":
                    forms = self._relaxations[here].back(forms)
                for number, before in enumerate(step.of):
                    own = Forms(zero, *forms.tracks) if number else forms  # a constant counts once
                    waiting[before] = waiting[before] + own if before in waiting else own
        forms = waiting[0]
        slopes = plus(forms.dense, forms.pruned)  # both networks have one input: the difference is 0 there
        if slopes is None:
            slopes = rows.new_zeros(len(rows), *self.centre.shape[1:])
        return slopes, forms.constant
