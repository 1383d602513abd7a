"""The time of a layer by its width, fitted to what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LayerTime:
    """t(r, c) = fixed + by_rows r + by_columns c + by_both r c seconds, of the shares r and c of a weight's extents.

    No coefficient is negative, so that the time of a network is one of the costs whose program is convex.

    Attributes:
        error: the largest difference from what was measured, as a share of the time at full width.
    """

    fixed: float
    by_rows: float
    by_columns: float
    by_both: float
    error: float

    @property
    def full(self) -> float:
        """The time at full width."""
        return self.fixed + self.by_rows + self.by_columns + self.by_both


def fitted(rows: Sequence[float], columns: Sequence[float], seconds: Sequence[float]) -> LayerTime:
    """The time of least squares, in shares of each measured time, through shares of rows and columns in (0, 1].

    Where all have the same columns (of a depthwise weight), these do not enter.
    """
    from scipy.optimize import lsq_linear

    r, c, taken = (np.asarray(values, float) for values in (rows, columns, seconds))
    varies = float(np.ptp(c) > 0)
    terms = np.stack([np.ones_like(r), r, c * varies, r * c * varies], axis=1)
    found = lsq_linear(terms / taken[:, None], np.ones_like(r), (0, np.inf), method="bvls").x
    full = float(found @ (1.0, 1.0, varies, varies))
    error = np.abs(terms @ found - taken).max() / full if full else 0.0
    fixed, by_rows, by_columns, by_both = (float(value) for value in found)
    return LayerTime(fixed, by_rows, by_columns, by_both, float(error))
