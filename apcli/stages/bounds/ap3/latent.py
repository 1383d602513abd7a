"""The distributions that the weights belong to: N(w, S) and t_df(w, S), with one scale matrix S for w and w~."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from apcli.errors import UsageError
from apcli.projections import ISOTROPIC
from apcli.records.bound import Constant
from apcli.registry.tables import Parameter
from apcli.stages.bounds import ONE_COVARIANCE
from apcli.stages.bounds.measured import Weights
from apcli.theory import SAME
from apcli.theory.covariances.families import OneCovariance
from apcli.theory.covariances.row_samples import Rows
from apcli.theory.distributions import gaussian
from apcli.theory.distributions.shifts import Shift


@dataclass(frozen=True)
class Latent:
    """The two distributions of one layer, or of several.

    Attributes:
        shift: what divergences depend on; it has one eigenvalue, 1.
        smallest: eigenvalue of S, or a bound on it; ``largest`` is the other end.
        quadratic: (w - w~)' S (w - w~).
        about: S in words.
    """

    shift: Shift
    smallest: float
    largest: float
    quadratic: float
    about: str

    @property
    def length(self) -> float:
        """|w - w~|."""
        return self.shift.length

    @property
    def delta(self) -> float:
        """The Mahalanobis length of w - w~."""
        return self.shift.delta

    @property
    def kl(self) -> float:
        """AP3 of the Gaussians, nats."""
        return gaussian.kl(self.delta)

    @property
    def size(self) -> int:
        """How many weights there are."""
        return self.shift.dim

    @property
    def trace(self) -> float:
        """Of S."""
        return self.shift.traces[0] if self.shift.traces else math.inf

    @property
    def spread(self) -> float:
        """C of Lemma 1 for the Gaussians, 2 (tr P + tr Q)."""
        return 4 * self.trace

    @property
    def deviation(self) -> float:
        """Standard deviation of the Gaussians along w - w~; 0 where the two are the same."""
        return math.sqrt(self.quadratic) / self.length if self.length else 0.0

    @property
    def gaussians(self) -> str:
        """The quantity AP3 of the Gaussians."""
        return f"AP3 (Gaussian, {self.about})"

    @property
    def isotropic(self) -> bool:
        """Whether all eigenvalues of S are one number: AP2 and AP3 are then multiples of each other."""
        return self.smallest == self.largest

    def eigenvalues(self) -> tuple[Constant, ...]:
        """Of S, as constants."""
        if self.isotropic:
            return (Constant("eigenvalues of the covariance", self.largest, 0.0, "given by scale"),)
        return (
            Constant("smallest eigenvalue of the covariance", self.smallest, 0.0, self.about),
            Constant("largest eigenvalue of the covariance", self.largest, 0.0, self.about),
        )


@dataclass(frozen=True)
class Covariance:
    """A covariance of the table, with its parameters, and the ``scale`` that it is multiplied by."""

    name: str
    scale: float
    parameters: Mapping[str, Parameter]

    @classmethod
    def of(cls, cov: str, scale: float, given: Mapping[str, Parameter]) -> "Covariance":
        """``given`` may hold parameters of other covariances."""
        row = ONE_COVARIANCE.row(cov)
        return cls(cov, scale, {key: given[key] for key in row.parameters})

    @property
    def about(self) -> str:
        """S in words."""
        if self.name == ISOTROPIC:
            return f"S = {self.scale**2:g} I"
        scale = "" if self.scale == 1 else f", scale {self.scale:g}"
        return f"cov={ONE_COVARIANCE.spec_of(self.name, self.parameters)}{scale}"


class Latents:
    """The distributions of the layers of a pair; a layer's covariance is that of its dense weights."""

    def __init__(self, layers: Sequence[Weights], covariance: Covariance) -> None:
        self._layers = {w.layer.tensor: w for w in layers}
        self.covariance = covariance
        self._made: dict[str, OneCovariance] = {}
        self._pairs: dict[str, Latent] = {}

    def of(self, w: Weights) -> Latent:
        """Of one layer, around its dense and its pruned weights.

        Raises:
            UsageError: the covariance does not suit the layer.
        """
        tensor = w.layer.tensor
        if self._layers.get(tensor) is not w:  # of an epoch
            return self.between(w, w.difference)
        if tensor not in self._pairs:
            self._pairs[tensor] = self.between(w, w.difference)
        return self._pairs[tensor]

    def between(self, w: Weights, difference: np.ndarray) -> Latent:
        """Of one layer, around locations that differ by this."""
        d = difference.reshape(len(difference), -1)
        covariance = self._of(w)
        length = math.sqrt(float(np.sum(np.square(d))))
        shift = covariance.shift(covariance.distances(d), length, *d.shape)
        found = covariance.spread(d)
        return Latent(shift, found.smallest, found.largest, found.quadratic, self.covariance.about)

    def pooled(self, members: Sequence[Latent]) -> Latent:
        """Of several layers as one vector of independent parts."""
        return Latent(
            Shift.pooled([one.shift for one in members]),
            min(one.smallest for one in members),
            max(one.largest for one in members),
            math.fsum(one.quadratic for one in members),
            self.covariance.about,
        )

    @cached_property
    def all(self) -> Latent:
        """Of all compared layers."""
        return self.pooled([self.of(w) for w in self._layers.values()])

    def _of(self, w: Weights) -> OneCovariance:
        tensor = w.layer.tensor
        if tensor not in self._made:
            dense = w.dense.reshape(len(w.dense), -1)
            rows = Rows(lambda: iter([dense]), *dense.shape)
            row = ONE_COVARIANCE.row(self.covariance.name)
            own: dict[str, Any] = {**row.shared, **self.covariance.parameters}
            try:
                self._made[tensor] = row.load()(rows, rows, self.covariance.scale, SAME, **own)
            except ValueError as error:
                raise UsageError(
                    f"theory parameter ap3:cov={self.covariance.name}: layer {w.layer.name} {error}; or give "
                    f"--exclude {w.layer.name}"
                ) from None
        return self._made[tensor]
