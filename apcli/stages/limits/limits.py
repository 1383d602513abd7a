"""The pruning limits of one trained network, each the number of its largest weights to keep, and where it is from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from apcli.errors import UsageError
from apcli.progress import Tell
from apcli.records.bound import Point
from apcli.stages.limits.landscape import Landscape, Trained
from apcli.theory.limit import dimensions
from apcli.theory.limit.epsilon import allowed
from apcli.theory.limit.quadratic import Fewest, quadratic_kept
from apcli.theory.limit.spectra import Spectrum, rademacher, spectrum
from apcli.theory.numerics.lanczos import Extremes, Ritz, lanczos, outermost
from apcli.theory.numerics.matrices import euclidean

_ALIGNMENT_STEPS = 30  # of Lanczos' method, from the removed weights
_ROUNDING = 1e-5  # of the largest eigenvalue
_SPARSITIES = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)  # of the curve, beside those of the limits


@dataclass(frozen=True)
class Settings:
    """The parameters of the theory.

    Attributes:
        eps: the rule for the rise of the loss that is allowed (``theory.limit.epsilon``).
        curvature: ``gauss-newton`` or ``hessian``.
        steps, probes: of Lanczos' method, for the spectrum, and its random starts.
        damping: of the adjustment, as a share of the largest eigenvalue.
        adjust: the most steps of conjugate gradients on a mask.
        within: how far a search by products may end above the limit, as a share of it.
    """

    eps: str
    curvature: str
    steps: int
    probes: int
    damping: float = 0.0
    adjust: int = 1
    within: float = 0.0


class Limits:
    """What a trained network may lose; every part is computed when it is first asked for.

    Args:
        seed: of the random starts.
        tell: shows a line of progress.

    Raises:
        UsageError: the rule for eps gives none on these losses.
        ApcliError: the network gives NaN or Inf.
    """

    def __init__(self, subject: Trained, settings: Settings, seed: int, tell: Tell) -> None:
        self.settings, self.landscape, self._seed = settings, Landscape(subject, settings.curvature), seed
        self.order, self._tell = self.landscape.order, tell
        try:
            self.eps = allowed(settings.eps, subject.outputs.losses)
        except ValueError as error:
            raise UsageError(f"limit:eps: {error}") from None

    @cached_property
    def spectrum(self) -> Spectrum:
        """Of the curvature."""
        self._tell("the spectrum of the curvature")
        starts = rademacher(self.order.size, self.settings.probes, self._seed)
        return spectrum(self.landscape.product, starts, self.settings.steps, dtype=np.float32)

    @property
    def extremes(self) -> Extremes:
        """The smallest and the largest eigenvalue, as Lanczos' method has them."""
        return outermost(self.spectrum.starts)

    @property
    def semidefinite(self) -> bool:
        """Whether no eigenvalue is below 0, but for the rounding of products in single precision."""
        return self.extremes.smallest >= -_ROUNDING * self.extremes.largest

    @cached_property
    def damping(self) -> float:
        """Of the adjustment: the share asked for, and more where the curvature would be negative without it."""
        found = self.extremes
        least = 1.05 * max(0.0, -found.smallest) if self.settings.curvature == "hessian" else 0.0
        return max(self.settings.damping * max(0.0, found.largest), least)

    @cached_property
    def published(self) -> int:
        """By the statistical dimension as published."""
        return dimensions.published_kept(self.spectrum, self.order, self.eps)

    @cached_property
    def isotropic(self) -> int:
        """By the dimension for a subspace orthogonal to the removed weights, if they have no direction of their own."""
        return dimensions.isotropic_kept(self.spectrum, self.order, self.eps)

    @cached_property
    def aligned(self) -> int:
        """The same for the removed weights as they are."""
        self._tell("the limit of a random subspace")
        return dimensions.aligned_kept(
            *(self.spectrum, self.order, self.eps, self._alignment), guess=self.isotropic, within=self.settings.within
        )

    def _alignment(self, k: int) -> Ritz:
        return lanczos(self.landscape.product, self.landscape.removed(k), _ALIGNMENT_STEPS, dtype=np.float32).ritz()

    @cached_property
    def one_shot(self) -> int:
        """By running the network without the smallest weights, the others left as they are."""

        def meets(k: int) -> bool:
            return self.rise_one_shot(k) <= self.eps

        return self.order.fewest(meets)

    def rise_one_shot(self, k: int) -> float:
        """The measured rise of the loss when the k largest weights are kept as they are."""
        return self.landscape.rise(self.landscape.trained - self.landscape.removed(k))

    @cached_property
    def best(self) -> Fewest:
        """By adjusting the weights that are kept, to second order."""
        self._tell("the best point on the masks of the largest weights")
        return quadratic_kept(
            *(self.landscape.product, self.order, self.eps),
            damping=self.damping,
            steps=self.settings.adjust,
            guess=self.published,
            within=self.settings.within,
        )

    @cached_property
    def best_rise(self) -> float:
        """The measured rise of the loss at the best point."""
        return self.landscape.rise(self.best.point.weights)

    def linear(self, k: int) -> float:
        """The first-order rise of the loss when the k largest weights are kept: -g'x."""
        return -float(self.landscape.gradient @ self.landscape.removed(k))

    @cached_property
    def slope(self) -> float:
        """|g|, the length of the gradient."""
        return euclidean(self.landscape.gradient)

    def share(self, k: int) -> float:
        """Of all weights of the compared layers."""
        return k / self.landscape.removable

    def marks(self) -> Mapping[str, int]:
        """The limits that the curve goes through."""
        return {"published": self.published, "best": self.best.kept, "aligned": self.aligned, "one-shot": self.one_shot}

    @cached_property
    def curve(self) -> tuple[Point, ...]:
        """The loss without the smallest weights, by sparsity, measured and by the curvature; it goes to every limit."""
        self._tell("the loss by sparsity")
        count = self.landscape.removable
        wanted = {count - round(share * count) for share in _SPARSITIES} | set(self.marks().values())
        points = []
        for k in sorted((k for k in wanted if k <= len(self.order.order)), reverse=True):
            removed = self.landscape.removed(k)
            second = float(removed @ self.landscape.product(removed)) / 2
            points.append(Point(1 - self.share(k), self.rise_one_shot(k), second))
        return tuple(points)
