"""The units that an allocation removes elements from, and the facts that it may use."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import numpy as np


class Resource(StrEnum):
    """A resource that networks cost."""

    PARAMETERS = "params"
    MACS = "macs"
    LATENCY = "latency"

    @property
    def noun(self) -> str:
        """Its name in a sentence."""
        return {Resource.PARAMETERS: "parameters", Resource.MACS: "multiply-adds"}.get(self, "seconds")

    def said(self, amount: float) -> str:
        """An amount in a sentence."""
        return f"{amount:.4g} {self.noun}" if self is Resource.LATENCY else f"{amount:,.0f} {self.noun}"


Counts = dict[str, int]  # by unit: the number of elements to remove


@dataclass(frozen=True)
class Unit:
    """The weights of one layer, or the channels of one group.

    Attributes:
        name: the user's name for it.
        size: the number of elements.
        shape: the weight's extents; for channels, only their number.
        least: the number of elements to keep at least.
    """

    name: str
    size: int
    shape: tuple[int, ...]
    least: int = 0

    @property
    def most(self) -> int:
        """The most elements that can be removed."""
        return self.size - self.least


@dataclass(frozen=True, eq=False)
class Grams:
    """Gram matrices X X' of what units make on N images, float64 [N, N], and of the images and labels themselves.

    Attributes:
        features: by unit, one matrix for each place where its elements are read.
    """

    features: Mapping[str, Sequence["np.ndarray"]]
    images: "np.ndarray"
    labels: "np.ndarray"


def _unknown(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: object) -> NoReturn:
        raise ValueError(f"{what} are not known here: choose another scope")

    return refuse


_NO_SCORES, _NO_GRAMS = _unknown("scores"), _unknown("activations")
_NO_ENDS = _unknown("the first and the last layer")


@dataclass(frozen=True)
class Context:
    """Further facts for an allocation; each is computed on first use, then cached.

    Attributes:
        lowest: given a total, how many elements each unit loses if the lowest-scoring go and every unit keeps its
            ``least``.
        grams: what the units make on images.
        note: takes what an allocation has found out beside its counts, JSON values by name, for the lineage.
        ends: the units that may be the network's ``first`` and its ``last``: one each if they are known.
    """

    lowest: Callable[[int], Counts] = _NO_SCORES
    grams: Callable[[], Grams] = _NO_GRAMS
    ends: Callable[[], Mapping[str, Sequence[str]]] = _NO_ENDS
    note: Callable[[Mapping[str, Any]], None] = lambda found: None


def least(size: int, min_keep: float) -> int:
    """``min_keep`` as a count, rounded up: 0.1 of 30 weights is 3, though 0.1 as a float is a little more."""
    exact = Fraction(str(min_keep))
    return min(size, math.ceil(exact * size if exact < 1 else exact))
