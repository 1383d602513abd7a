"""The risk of a network along the straight line from its dense to its pruned weights: slope and curvature."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from apcli.probes.products import Curvature, hessian
from apcli.probes.undisturbed import Batches
from apcli.progress import Tell
from apcli.theory.numerics.lanczos import Extremes, extremes

Once = Callable[[Any, Callable[[], Any]], Any]  # gives what a name stands for; finds it out once
POINTS = 5  # of the line at which its curvature is measured


@dataclass(frozen=True)
class Precision:
    """How well eigenvalues are known: the error bar at which Lanczos' method stops, relative, and its most products."""

    tolerance: float
    steps: int


NETWORK, EXACT = Precision(1e-2, 30), Precision(1e-6, 100)  # a whole network's, or a small one's in float64


class Risk:
    """R(w + s D), the mean cross-entropy on the images, for s from 0 (dense) to 1 (pruned); D is in some tensors only.

    Args:
        network: the dense one; it is left as it is.
        changes: D by the network's names of the tensors, in their shapes.
        seed: of the vector that Lanczos' method starts from.
        once: keeps what depends on w alone for the next pruned file of the same dense one.
        renamed: by a file's tensors, the network's names of them where they are others.
    """

    def __init__(
        self,
        network: nn.Module,
        changes: Mapping[str, np.ndarray],
        batches: Batches,
        precision: Precision,
        seed: int,
        tell: Tell,
        once: Once = lambda what, make: make(),
        renamed: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._network, self.changes, self._batches = network, dict(changes), batches
        self._precision, self._seed, self._tell, self._once = precision, seed, tell, once
        self._renamed = renamed

    def _at(self, share: float) -> Curvature:
        """The Hessian at w + share D."""
        found = hessian(self._network, tuple(self.changes), self._batches)
        for name, change in self.changes.items():
            found.weights[name] = found.weights[name] + share * torch.as_tensor(change).to(found.weights[name])
        return found

    @cached_property
    def _here(self) -> Curvature:
        return self._at(0.0)

    def name_of(self, tensor: str) -> str:
        """The name that a file's tensor has here, whether it is among the ``changes`` or not."""
        return self._renamed.get(tensor, tensor)

    @property
    def size(self) -> int:
        """The number of weights."""
        return self._here.size

    @cached_property
    def squared_length(self) -> float:
        """|D|^2."""
        return float(sum(np.sum(np.square(change)) for change in self.changes.values()))

    @cached_property
    def _gradients(self) -> dict[str, np.ndarray]:
        self._tell("gradient of the loss")
        found: dict[str, np.ndarray] = self._once(
            ("gradient", *self.changes), lambda: self._here.split(self._here.gradient())
        )
        return found

    @cached_property
    def lengths(self) -> dict[str, float]:
        """|g| by tensor, g the gradient of R at w."""
        return {name: float(np.linalg.norm(gradient)) for name, gradient in self._gradients.items()}

    @cached_property
    def slopes(self) -> dict[str, float]:
        """g'D by tensor."""
        return {name: self.slope_to({name: change}) for name, change in self.changes.items()}

    @property
    def slope(self) -> float:
        """g'D, the first-order term of R(w + D) - R(w)."""
        return sum(self.slopes.values())

    def slope_to(self, changes: Mapping[str, np.ndarray]) -> float:
        """g'C for another change C of some of the tensors, by their names here."""
        return sum(float(np.sum(self._gradients[name] * change)) for name, change in changes.items())

    @cached_property
    def second_order(self) -> float:
        """D'HD / 2 with the Hessian H at w, the second-order term of R(w + D) - R(w)."""
        flat = self._here.flat(self.changes)
        return float(flat @ self._here.matvec(flat)) / 2

    @cached_property
    def extremes(self) -> Extremes:
        """The extreme eigenvalues of H at w."""
        of = ("extremes", self._precision, self._seed, *self.changes)
        found: Extremes = self._once(of, lambda: self._extremes(0.0))
        return found

    @cached_property
    def along(self) -> tuple[Extremes, ...]:
        """The extreme eigenvalues at ``POINTS`` points of the line, w and w + D among them; at w alone if D is 0."""
        shares = np.linspace(0, 1, POINTS)[1:] if self.squared_length else ()
        return (self.extremes, *map(self._extremes, shares))

    @property
    def largest_curvature(self) -> float:
        """The largest absolute eigenvalue that was found along the line, with its error added."""
        return max(each.norm + each.norm_error for each in self.along)

    def _extremes(self, share: float) -> Extremes:
        self._tell(f"curvature of the loss, {share:.0%} of the way")
        start = np.random.default_rng(self._seed).standard_normal(self.size)
        how = self._precision
        return extremes(self._at(share).matvec, start, steps=how.steps, tolerance=how.tolerance)
