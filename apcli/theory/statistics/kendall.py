"""The agreement of two orders of the same items: Kendall's tau-b, and its bootstrap over the items."""

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 2000
LEAST = 5  # with fewer items a resample often holds only one or two, whose tau-b is meaningless
_SEED = 0  # a report made twice is the same, and all measures use the same resamples
_LEVEL = 0.95


def tau_b(x: ArrayLike, y: ArrayLike) -> float | None:
    """tau-b of ``x`` and ``y``, [n] each; None if either is constant. Kendall 1945, doi:10.1093/biomet/33.3.239."""
    tau = float(_over(np.ones((1, len(np.asarray(x)))), x, y)[0])
    return None if np.isnan(tau) else tau


def bootstrap(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """tau-b of ``x`` and ``y`` ([n] each) over resamples of the n items with replacement: float64 [RESAMPLES].

    Calls with the same n use the same resamples in the same order, so that differences of two results are paired. An
    item drawn twice is tied with itself. NaN if all drawn items are tied in ``x`` or in ``y``.

    Efron 1979, doi:10.1214/aos/1176344552.
    """
    size = len(np.asarray(x))
    return _over(np.random.default_rng(_SEED).multinomial(size, np.full(size, 1 / size), size=RESAMPLES), x, y)


def interval(values: np.ndarray) -> tuple[float, float] | None:
    """The 95 % percentile interval of the bootstrapped values without NaN; None if there are none."""
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    low, high = np.quantile(known, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def _over(drawn: np.ndarray, x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """tau-b for each row c of ``drawn`` [rows, n], the number of times that each item counts.

    With K the matrix of signs of x_i - x_j times those of y_i - y_j, the pairs in agreement minus those in disagreement
    are c' K c / 2; the pairs untied in x, and those untied in y, follow from absolute signs in the same way.
    """
    signs_x, signs_y = (np.sign(np.subtract.outer(v, v)) for v in (np.asarray(x, float), np.asarray(y, float)))
    counts = drawn.astype(float)

    def over_pairs(of: np.ndarray) -> np.ndarray:
        return np.einsum("ri,ri->r", counts @ of, counts)

    untied = np.sqrt(over_pairs(np.abs(signs_x)) * over_pairs(np.abs(signs_y)))
    return np.divide(over_pairs(signs_x * signs_y), untied, out=np.full(len(counts), np.nan), where=untied > 0)
