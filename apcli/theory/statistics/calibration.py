"""Whether confidences are frequencies: the calibration error with its interval, and the temperature that mends it."""

from dataclasses import dataclass

import numpy as np

BINS = 15
_FEWEST = 5  # values of a bin, where there are so many
_RESAMPLES, _SEED = 1000, 0
_PRECISION = 1e-4  # relative, of an interval's ends
COLDEST, HOTTEST = 0.01, 100.0  # temperatures; the best of a classifier that is never wrong has no end


@dataclass(frozen=True, eq=False)
class CalibrationError:
    """The mean absolute gap of confidence and accuracy, over bins of equally many values.

    Attributes:
        value: without most of the plug-in's bias, 0 at least.
        plugin: the sum over the bins as they are, which is too large: noise counts as a gap.
        interval: 95 %, of ``value``.
        confidences: mean of each bin, float64 [bins], and their ``accuracies`` in [0, 1] and ``counts``.
    """

    value: float
    plugin: float
    interval: tuple[float, float]
    confidences: np.ndarray
    accuracies: np.ndarray
    counts: np.ndarray


def calibration_error(confidences: np.ndarray, right: np.ndarray, bins: int = BINS) -> CalibrationError:
    """The expected calibration error (ECE) of the predicted classes.

    The mean gap d of a bin is normal about the true one, with the standard deviation s of its mean; so the expected
    plug-in exceeds the plug-in of what is true by about E|N(d, s)| - |d| in each bin, which is subtracted. The
    interval holds the errors of all gaps c d, for a factor c, around which the same normals would give a plug-in as
    small, and as large, as was seen with a probability of 2.5 % at least; it reaches 0 where c = 0 does.

    Args:
        confidences: probability of the predicted class, [N] in [0, 1], 2 at least.
        right: whether that is the label, bool [N].
        bins: at most; fewer where they would hold less than 5.

    Source: Kumar, Liang & Ma 2019, arXiv:1909.10155, whose resampling of the bins has this closed form: the mean of a
    folded normal distribution (Leone, Nelson & Nottingham 1961, doi:10.1080/00401706.1961.10489974).
    """
    count = len(confidences)
    if count < 2:
        raise ValueError(f"{count} confidences: expected 2 or more")
    order = np.argsort(confidences, kind="stable")
    parts = np.array_split(order, min(bins, max(1, count // _FEWEST)))
    gaps = confidences - right
    counts = np.array([len(part) for part in parts])
    mean = np.array([gaps[part].mean() for part in parts])
    deviation = np.array([gaps[part].std(ddof=1) for part in parts]) / np.sqrt(counts)
    weights = counts / count
    plugin = float(weights @ np.abs(mean))
    value = _debiased(mean, deviation, weights)
    noise = deviation * np.random.default_rng(_SEED).standard_normal((_RESAMPLES, len(parts)))
    low, high = (plugin * _factor(mean, noise, weights, tail) for tail in (0.975, 0.025))
    accuracies = np.array([right[part].mean() for part in parts])
    return CalibrationError(max(0.0, float(value)), plugin, (low, high), mean + accuracies, accuracies, counts)


def _debiased(mean: np.ndarray, deviation: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """2 |d| - E|N(d, s)|, weighted over the last axis."""
    from scipy import special

    ratio = np.divide(mean, deviation, out=np.full_like(mean, np.inf), where=deviation > 0)
    folded = np.abs(mean) * special.erf(np.abs(ratio) / np.sqrt(2))
    folded = folded + deviation * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2)
    total: np.ndarray = (2 * np.abs(mean) - folded) @ weights
    return total


def _factor(mean: np.ndarray, noise: np.ndarray, weights: np.ndarray, tail: float) -> float:
    """The c for which |c d + noise|, weighted, has its quantile ``tail`` where it was seen; 0 if c = 0 has it above."""
    seen = np.abs(mean) @ weights

    def above(factor: float) -> bool:
        return bool(np.quantile(np.abs(factor * mean + noise) @ weights, tail) >= seen)

    low, high = 0.0, 1.0
    if seen == 0 or above(low):
        return low
    while not above(high):
        low, high = high, 2 * high
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        low, high = (low, middle) if above(middle) else (middle, high)
    return high


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T in [0.01, 100] for which softmax(logits / T) has the least mean cross-entropy.

    The cross-entropy is convex in 1 / T: where its derivative is 0 is the least, if that is within the range.

    Args:
        logits: float64 [N, C].
        labels: int64 [N].

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    from scipy import optimize

    shifted = logits - logits.max(axis=1, keepdims=True)
    own = np.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]

    def slope(inverse: float) -> float:
        weights = np.exp(inverse * shifted)
        return float(((weights * shifted).sum(axis=1) / weights.sum(axis=1) - own).mean())

    if slope(1 / HOTTEST) >= 0:
        return HOTTEST
    if slope(1 / COLDEST) <= 0:
        return COLDEST
    return 1 / float(optimize.brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-12, rtol=1e-12))
