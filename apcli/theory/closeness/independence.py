"""Are the entries of a weight matrix independent, with random signs, as Theorems D and E assume? By permutation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from apcli.theory.closeness.norms import spectral_norm

STATISTICS = ("spectral norm", "row correlation", "column correlation", "mean")
LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """One statistic of a matrix beside those of the same entries shuffled, with random signs.

    Attributes:
        statistic: one of ``STATISTICS``.
        observed: of the matrix.
        shuffled: mean over the shuffles.
        deviation: standard deviation over the shuffles.
        p_value: two-sided, of this statistic alone.
    """

    statistic: str
    observed: float
    shuffled: float
    deviation: float
    p_value: float


@dataclass(frozen=True)
class Independence:
    """The verdict on the entries of a matrix.

    Attributes:
        comparisons: one for each of ``STATISTICS``.
        p_value: of all of them at once; 1 / (shuffles + 1) or more.
        rows: how many of the matrix's rows were looked at, and ``columns``.
        shuffles: how many there were.
    """

    comparisons: tuple[Comparison, ...]
    p_value: float
    rows: int
    columns: int
    shuffles: int

    @property
    def rejected(self) -> bool:
        """Whether independence with random signs is rejected at 5 %; what is not rejected is not proven."""
        return self.p_value <= LEVEL


def independence(
    weight: np.ndarray, generator: np.random.Generator, shuffles: int = 100, most: int = 512
) -> Independence:
    """Compare a matrix with random shuffles of its entries, each of which has a random sign.

    Entries that are independent and of one symmetric distribution are exchangeable, and so are their signs: the matrix
    is one of its shuffles. The statistics are the spectral norm, the root mean square of the correlations of all pairs
    of rows and of columns, and the mean, which sees signs that are not symmetric; each is measured from its mean over
    the shuffles and the matrix, in standard deviations, and the largest distance is the statistic of the verdict
    (Westfall & Young 1993). So the p values are exact, and need no correction for being several. Low rank makes the
    three larger, orthogonality smaller: both are found.

    Args:
        weight: a matrix [n, m]; of a convolution, its kernel unfolded. It is not changed.
        generator: of the shuffles.
        shuffles: >= 19, below which nothing is rejected.
        most: of a larger matrix as many rows and columns are drawn, which is as exact and finds less.

    Raises:
        ValueError: the weight is no matrix of finite numbers, or there are too few shuffles.
    """
    if weight.ndim != 2 or not np.isfinite(weight).all() or not weight.size:
        raise ValueError(f"weights of shape {weight.shape}: expected a matrix of finite numbers")
    if shuffles < 19:
        raise ValueError(f"{shuffles} shuffles: expected 19 or more, as fewer reject nothing at 5 %")
    part = weight[np.ix_(*(_drawn(size, most, generator) for size in weight.shape))].astype(float)
    values = np.array([_statistics(part), *map(_statistics, _shuffled(part, shuffles, generator))])
    distances = np.abs(values - values.mean(axis=0))
    deviations = values.std(axis=0)
    spread = deviations > 1e-12 * np.abs(values).max(axis=0)
    distances = np.where(spread, distances / np.where(spread, deviations, 1), 0)
    each = _shares(distances)
    comparisons = tuple(
        Comparison(name, float(values[0, i]), float(values[1:, i].mean()), float(values[1:, i].std(ddof=1)), each[i])
        for i, name in enumerate(STATISTICS)
    )
    return Independence(
        comparisons, _shares(distances.max(axis=1, keepdims=True))[0], len(part), part.shape[1], shuffles
    )


def _drawn(size: int, most: int, generator: np.random.Generator) -> np.ndarray:
    return np.arange(size) if size <= most else np.sort(generator.choice(size, most, replace=False))


def _shuffled(matrix: np.ndarray, shuffles: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(shuffles):
        shuffled = generator.permutation(matrix.ravel()) * generator.choice((-1.0, 1.0), matrix.size)
        yield shuffled.reshape(matrix.shape)


def _statistics(matrix: np.ndarray) -> tuple[float, ...]:
    return spectral_norm(matrix).value, _correlation(matrix), _correlation(matrix.T), float(matrix.mean())


def _correlation(matrix: np.ndarray) -> float:
    """The root mean square of the correlations of all pairs of rows; of rows without spread 0."""
    centred = matrix - matrix.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    rows = np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 1e-12 * np.abs(matrix).max())
    squares = (rows @ rows.T) ** 2
    pairs = len(matrix) * (len(matrix) - 1)
    return float(np.sqrt(max(squares.sum() - squares.trace(), 0.0) / pairs)) if pairs else 0.0


def _shares(distances: np.ndarray) -> list[float]:
    """Of each column, the share of numbers that are at least the first, but for rounding."""
    return [float(share) for share in (distances >= distances[0] - 1e-9).mean(axis=0)]
