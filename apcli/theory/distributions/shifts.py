"""The difference of two elliptical distributions, reduced to the few numbers that every divergence depends on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Shift:
    """Two distributions with locations w, w~ and scale matrices S1 (dense), S2 (pruned), reduced for divergences.

    S2 = L L', and U diagonalises L^-1 S1 L^-T: its distinct eigenvalues are lambda_i, each with its multiplicity, and
    ``distance[i]`` is the length of the part of U' L^-1 (w - w~) in its eigenspace. Where S1 = S2 there is one
    eigenvalue, 1, and ``distance[0]`` is the Mahalanobis distance. Lengths, not their squares: those overflow.

    Args:
        log_eigenvalues: log lambda_i, accurate for near-equal and for very unequal matrices, whichever is larger;
            float64 [m].
        multiplicity: the number of times lambda_i occurs; int64 [m], its sum is the dimension.
        distance: float64 [m], >= 0.
        length: |w - w~|, the plain Euclidean distance.
        traces: tr S1 and tr S2; None if the scale matrices are unknown (a singular precision was given).
        bures2: tr(S1 + S2 - 2 (S2^1/2 S1 S2^1/2)^1/2), >= 0; None if unknown.
    """

    log_eigenvalues: np.ndarray
    multiplicity: np.ndarray
    distance: np.ndarray
    length: float
    traces: tuple[float, float] | None = None
    bures2: float | None = None

    @staticmethod
    def of_one_scale(
        delta: float, dim: int, length: float | None = None, trace: float | None = None, *, known: bool = True
    ) -> "Shift":
        """Distributions of one scale matrix S at Mahalanobis distance ``delta``; by default S is the identity.

        ``known`` false: the scale matrix itself is unknown, so its trace and everything that depends on it are None.
        """
        length = delta if length is None else length
        trace = float(dim) if trace is None else trace
        traces = (trace, trace) if known else None
        bures2 = 0.0 if known else None
        return Shift(np.zeros(1), np.array([dim]), np.array([float(delta)]), length, traces, bures2)

    @staticmethod
    def pooled(shifts: Sequence["Shift"]) -> "Shift":
        """Independent layers as one: block-diagonal scale matrices, concatenated locations."""
        if len(shifts) == 1:
            return shifts[0]
        known = [shift.traces for shift in shifts if shift.traces is not None]
        bures = [shift.bures2 for shift in shifts if shift.bures2 is not None]
        traces = (sum(t[0] for t in known), sum(t[1] for t in known)) if len(known) == len(shifts) else None
        length = float(np.hypot.reduce([shift.length for shift in shifts]))
        logs = np.concatenate([shift.log_eigenvalues for shift in shifts])
        multiplicity = np.concatenate([shift.multiplicity for shift in shifts])
        distance = np.concatenate([shift.distance for shift in shifts])
        if np.all(logs == logs[0]):  # one eigenvalue for all
            logs, multiplicity = logs[:1], multiplicity.sum(keepdims=True)
            distance = np.hypot.reduce(distance, keepdims=True)
        return Shift(logs, multiplicity, distance, length, traces, sum(bures) if len(bures) == len(shifts) else None)

    @property
    def dim(self) -> int:
        return int(self.multiplicity.sum())

    @property
    def one_scale(self) -> bool:
        """Whether the two distributions have one scale matrix and so differ only in location."""
        return not self.log_eigenvalues.any()

    @cached_property
    def excess(self) -> np.ndarray:
        """lambda_i - 1; float64 [m]."""
        return np.expm1(self.log_eigenvalues)

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        """lambda_i; float64 [m]."""
        return np.exp(self.log_eigenvalues)

    @cached_property
    def delta(self) -> float:
        """sqrt((w - w~)' S2^-1 (w - w~)), the Mahalanobis distance in the pruned distribution's metric."""
        return float(np.hypot.reduce(self.distance))

    def reversed(self) -> "Shift":
        """The same two distributions, the pruned one first."""
        swapped = None if self.traces is None else self.traces[::-1]
        with np.errstate(over="ignore"):  # then they are infinitely far apart
            distance = self.distance * np.exp(-self.log_eigenvalues / 2)
        return Shift(-self.log_eigenvalues, self.multiplicity, distance, self.length, swapped, self.bures2)
