"""The units that an allocation removes elements from, and the facts that it may use."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import numpy as np


class Resource(StrEnum):
    """A resource that elements cost."""

    PARAMETERS = "parameters"
    MACS = "macs"
    SECONDS = "seconds"


Counts = dict[str, int]  # by unit: the number of elements to remove


@dataclass(frozen=True)
class Unit:
    """The weights of one layer, or the channels of one group.

    Attributes:
        name: the user's name for it.
        size: the number of elements.
        shape: the weight's extents; for channels, only their number.
        least: the number of elements to keep at least.
        costs: the cost of each kept element, by resource.
    """

    name: str
    size: int
    shape: tuple[int, ...]
    least: int = 0
    costs: Mapping[Resource, float] = field(default_factory=lambda: {Resource.PARAMETERS: 1})

    @property
    def most(self) -> int:
        """The most elements that can be removed."""
        return self.size - self.least


def _unknown(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: object) -> NoReturn:
        raise ValueError(f"{what} are not known here: choose another scope")

    return refuse


_NO_SCORES, _NO_ACTIVATIONS, _NO_COSTS = _unknown("scores"), _unknown("activations"), _unknown("costs")
_NO_ENDS = _unknown("the first and the last layer")


@dataclass(frozen=True)
class Context:
    """Further facts for an allocation; each is computed on first use, then cached.

    Attributes:
        lowest: given a total, how many elements each unit loses if the lowest-scoring go and every unit keeps its
            ``least``.
        activations: a unit's outputs by its name, float [images, features]; also ``input`` and ``labels``.
        cost: cost of a network that keeps the given number of elements of each unit, where costs do not add up.
        ends: the units that may be the network's ``first`` and its ``last``: one each if they are known.
    """

    lowest: Callable[[int], Counts] = _NO_SCORES
    activations: Callable[[str], "np.ndarray"] = _NO_ACTIVATIONS
    cost: Callable[[Mapping[str, int], Resource], float] = _NO_COSTS
    ends: Callable[[], Mapping[str, Sequence[str]]] = _NO_ENDS


def least(size: int, min_keep: float) -> int:
    """``min_keep`` as a count, rounded up: 0.1 of 30 weights is 3, though 0.1 as a float is a little more."""
    exact = Fraction(str(min_keep))
    return min(size, math.ceil(exact * size if exact < 1 else exact))
