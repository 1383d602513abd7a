"""How far features depend on each other: the normalised Hilbert-Schmidt independence criterion of their Gram matrices.

Features of N samples enter through their Gram matrix K = X X' (float64 [N, N]), whatever their number. Neither a shift
of the features nor an orthogonal map changes a result, nor does a factor.
"""

from collections.abc import Sequence

import numpy as np

DEBIASED, BIASED = "debiased", "biased"
ESTIMATORS = (DEBIASED, BIASED)
FEWEST = 4  # samples: the debiased estimator divides by N - 3
_DEAD = 1e-24  # of a Gram matrix's squared entries: less is left of constant features by rounding alone


def gaussian(gram: np.ndarray) -> np.ndarray:
    """The Gram matrix exp(-d^2 / (2 m)) of the Gaussian kernel: float64 [N, N].

    d^2 are the squared distances of the samples and m is their median over all N^2 pairs, also those of a sample with
    itself; where it is 0, all samples are taken for equal.

    Args:
        gram: that of the features themselves, X X', float64 [N, N].

    Source: the median rule as in the released code of arXiv:2108.08532.
    """
    squares = np.diag(gram)
    distances = np.maximum(squares[:, None] + squares - 2 * gram, 0.0)
    median = float(np.median(distances))
    kernel: np.ndarray = np.exp(-distances / (2 * median)) if median else np.ones_like(distances)
    return kernel


def centred(gram: np.ndarray, estimator: str) -> np.ndarray:
    """H K H with H = 1 - 11'/N, or for ``debiased`` the U-centred matrix, whose diagonal is 0: float64 [N, N].

    Raises:
        ValueError: the estimator is unknown, or ``debiased`` has fewer than 4 samples.

    Source: Gretton et al. 2005, doi:10.1007/11564089_7 (biased); Szekely & Rizzo 2014, arXiv:1310.2926, definition 2.
    """
    count = len(gram)
    if estimator == BIASED:
        rows = gram.mean(axis=0)
        centre: np.ndarray = gram - rows - rows[:, None] + rows.mean()
        return centre
    if estimator != DEBIASED:
        raise ValueError(f"estimator is {estimator!r}: expected {' or '.join(ESTIMATORS)}")
    if count < FEWEST:
        raise ValueError(f"{count} samples: the debiased estimator needs {FEWEST} or more")
    hollow = gram - gram.mean()  # a shift of all entries changes nothing, and their rounding then is smaller
    np.fill_diagonal(hollow, 0.0)
    rows = hollow.sum(axis=0) / (count - 2)
    hollow += rows.sum() / (count - 1) - rows - rows[:, None]
    np.fill_diagonal(hollow, 0.0)
    return hollow


def nhsic(grams: Sequence[np.ndarray], estimator: str = DEBIASED) -> np.ndarray:
    """<G_i, G_j> / (|G_i| |G_j|) of the centred Gram matrices: float64 [n, n], symmetric, 1 on the diagonal.

    With the linear kernel it is CKA (Kornblith et al. 2019, arXiv:1905.00414). The biased estimate of independent
    features grows towards 1 with their number; the debiased one is around 0, and may be below. Features that are the
    same for all samples depend on nothing: their rows are 0, the diagonal too.

    Args:
        grams: float64 [N, N] each, of the same samples in the same order.

    Source: arXiv:2108.08532, with the estimator of Song et al. 2012 (JMLR 13) where it is ``debiased``.
    """
    rows = np.empty((len(grams), grams[0].size))
    for place, gram in enumerate(grams):
        row = centred(gram, estimator).ravel()
        square = row @ row
        rows[place] = row * (0.0 if square <= _DEAD * np.square(gram).sum() else square**-0.5)
    products: np.ndarray = rows @ rows.T
    products = (products + products.T) / 2
    np.fill_diagonal(products, np.round(np.diag(products)))
    return products


class Minibatches:
    """``nhsic`` of more samples than one Gram matrix holds: debiased products, averaged over minibatches.

    Each product <G_i, G_j> of a minibatch of N samples, over N (N - 3), is an unbiased estimate of HSIC, and so is the
    mean of these over minibatches; the size of a minibatch matters for the spread alone.

    Source: Nguyen, Raghu & Kornblith 2021, arXiv:2010.15327, equation 3.
    """

    def __init__(self) -> None:
        self._sum: np.ndarray | None = None
        self._lengths: np.ndarray | None = None

    def add(self, grams: Sequence[np.ndarray]) -> None:
        """Add a minibatch: the Gram matrix of each layer's features, float64 [N, N] with N at least 4."""
        rows = np.stack([centred(gram, DEBIASED).ravel() for gram in grams])
        lengths = np.array([np.square(gram).sum() for gram in grams])
        pairs = len(grams[0]) * (len(grams[0]) - FEWEST + 1)
        products = (rows @ rows.T) / pairs
        self._sum = products if self._sum is None else self._sum + products
        self._lengths = lengths / pairs if self._lengths is None else self._lengths + lengths / pairs

    @property
    def nhsic(self) -> np.ndarray:
        """The normalised products, float64 [n, n], symmetric; rows of features that are the same for all are 0."""
        if self._sum is None or self._lengths is None:
            raise ValueError("no minibatch was added")
        squares = np.diag(self._sum)
        scale = np.zeros(len(squares))
        alive = squares > _DEAD * self._lengths
        scale[alive] = squares[alive] ** -0.5
        products = self._sum * scale[:, None] * scale
        products = np.clip((products + products.T) / 2, -1.0, 1.0)
        np.fill_diagonal(products, alive.astype(float))
        return products


def shares(dependence: np.ndarray) -> np.ndarray:
    """Each layer's share of all dependence on the other layers, float64 [n], which adds up to 1.

    Estimates below 0 count as 0; where nothing depends on anything, all shares are equal.

    Args:
        dependence: float64 [n, n], as ``nhsic`` gives it.

    Source: arXiv:2108.08532, as in its released code.
    """
    others = np.maximum(dependence, 0.0)
    np.fill_diagonal(others, 0.0)
    sums = others.sum(axis=1)
    total = sums.sum()
    found: np.ndarray = sums / total if total else np.full(len(sums), 1 / len(sums))
    return found


def importances(share: np.ndarray, spread: float) -> np.ndarray:
    """exp(-beta (t - min t)), float64 [n] in [1 / spread, 1]: a layer is important if little depends on it.

    beta is what makes the largest ``spread`` times the least: log(spread) / (max t - min t). The published beta is a
    number of its own for each network, 231 to 2000, of which the differences of t leave nothing or everything.

    Args:
        share: t, as ``shares`` gives them.
        spread: 1 or more; 1 makes all layers equally important.

    Source: arXiv:2108.08532, scaled: a factor of all importances changes no allocation.
    """
    above = share - share.min()
    most = above.max()
    found: np.ndarray = np.ones_like(share) if most == 0 else spread ** -(above / most)
    return found
