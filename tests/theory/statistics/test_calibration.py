"""The calibration error: the published algorithm by resampling, known truths, and SciPy's least cross-entropy."""

import numpy as np
import pytest
from scipy import optimize, special

from apcli.theory.statistics.calibration import COLDEST, HOTTEST, calibration_error, temperature


def drawn(seed, count=2000, off=0.0):
    """Confidences that are ``off`` above the frequencies."""
    draw = np.random.default_rng(seed)
    confidences = draw.uniform(0.5, 0.95, count)
    return confidences, draw.random(count) < confidences - off


def test_bins_hold_equally_many_and_the_plugin_is_their_mean_gap():
    confidences, right = drawn(0, 303, off=0.2)
    found = calibration_error(confidences, right, bins=10)
    assert found.counts.tolist() == [31, 31, 31, *[30] * 7]
    order = np.argsort(confidences, kind="stable")
    gap, start = 0.0, 0
    for number, count in enumerate(found.counts):
        part = order[start : start + count]
        start += count
        gap += count / 303 * abs(confidences[part].mean() - right[part].mean())
        assert found.confidences[number] == pytest.approx(confidences[part].mean())
        assert found.accuracies[number] == pytest.approx(right[part].mean())
    assert found.plugin == pytest.approx(gap, rel=1e-12)


@pytest.mark.parametrize("off", [0.0, 0.02, 0.3])
def test_the_bias_is_that_of_drawn_bins(off):
    """Kumar et al.: 2 plug-in - the mean plug-in of bins drawn around what was seen."""
    confidences, right = drawn(3, off=off)
    found = calibration_error(confidences, right)
    order = np.array_split(np.argsort(confidences, kind="stable"), 15)
    means = np.array([(confidences - right)[part].mean() for part in order])
    errors = np.array([(confidences - right)[part].std(ddof=1) / np.sqrt(len(part)) for part in order])
    resampled = means + errors * np.random.default_rng(1).standard_normal((40_000, 15))
    plugin = np.abs(resampled) @ (found.counts / 2000)
    expected = max(0.0, 2 * found.plugin - plugin.mean())
    assert found.value == pytest.approx(expected, abs=4 * plugin.std() / np.sqrt(40_000))


def test_it_is_nearly_free_of_bias_and_its_interval_covers():
    for off in (0.05, 0.2):
        found = [calibration_error(*drawn(seed, off=off)) for seed in range(150)]
        values, plugins = (np.array([getattr(one, name) for one in found]) for name in ("value", "plugin"))
        assert values.mean() == pytest.approx(off, abs=0.003)
        assert plugins.mean() > values.mean()
        assert np.mean([one.interval[0] <= off <= one.interval[1] for one in found]) > 0.9
    calibrated = [calibration_error(*drawn(seed)) for seed in range(150)]
    assert np.mean([one.interval[0] == 0 for one in calibrated]) > 0.95
    assert np.mean([one.value for one in calibrated]) < 0.6 * np.mean([one.plugin for one in calibrated])


def test_few_and_equal_confidences():
    sure = calibration_error(np.ones(7), np.ones(7, bool))
    assert (sure.value, sure.plugin, sure.interval, sure.counts.tolist()) == (0, 0, (0, 0), [7])
    wrong = calibration_error(np.ones(40), np.zeros(40, bool))
    assert (wrong.value, wrong.interval, len(wrong.counts)) == (1, (1, 1), 8)
    with pytest.raises(ValueError, match="2 or more"):
        calibration_error(np.ones(1), np.ones(1, bool))


@pytest.mark.parametrize("scale", [0.3, 1.0, 7.0])
def test_the_temperature_has_the_least_cross_entropy(scale):
    draw = np.random.default_rng(2)
    logits = draw.normal(size=(500, 6))
    labels = np.array([draw.choice(6, p=special.softmax(row)) for row in logits])

    def loss(t):
        return -np.take_along_axis(special.log_softmax(scale * logits / t, axis=1), labels[:, None], 1).mean()

    best = optimize.minimize_scalar(loss, bounds=(0.02, 50), method="bounded", options={"xatol": 1e-9})
    found = temperature(scale * logits, labels)
    assert found == pytest.approx(best.x, rel=1e-5)
    assert found == pytest.approx(scale, rel=0.2), "labels were drawn at temperature 1"


def test_a_temperature_has_ends():
    logits, labels = np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([0, 1])
    assert temperature(logits, labels) == COLDEST
    assert temperature(logits, 1 - labels) == HOTTEST
    assert temperature(np.zeros((2, 2)), labels) == HOTTEST, "all temperatures are alike"
