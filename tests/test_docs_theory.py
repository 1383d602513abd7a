"""docs/theory.md: the numbers of its objections that no other test has, and that the tests which it names are there.

Formulas are written out in NumPy here; where the package has the thing that is objected to, its function is called.
"""

import math
import re

import numpy as np
import pytest
from pages import ROOT
from scipy import linalg, stats

from apcli.theory.bounds import last_layer
from apcli.theory.distributions import gaussian, student_t
from apcli.theory.limit.dimensions import effective_dimension
from apcli.theory.limit.spectra import Spectrum

PAGE = (ROOT / "docs" / "theory.md").read_text()


def test_every_test_that_the_page_names_is_there():
    named = re.findall(r"`(test_\w+)`", PAGE)
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    missing = [name for name in named if f"def {name}(" not in written]
    assert missing == []
    assert len(named) > 20


def test_every_objection_has_a_row():
    assert re.findall(r"^\| (W\d+) \|", PAGE, re.MULTILINE) == [f"W{number}" for number in range(1, 17)]


def test_w6_the_best_weights_on_a_mask_are_not_the_masked_best_weights():
    """Of a quadratic loss, two of four weights kept: 0.1275 as they are, 0.1111 when they may move."""
    hessian = np.array([[4.0, 1, 0, 0], [1, 3, 1, 0], [0, 1, 2, 1], [0, 0, 1, 1.5]])
    weights, kept = np.array([1.0, -0.8, 0.3, 0.1]), [0, 1]
    change = weights.copy()
    change[kept] = 0
    assert change @ hessian @ change / 2 == pytest.approx(0.1275)
    moved = change.copy()
    moved[kept] = -np.linalg.solve(hessian[np.ix_(kept, kept)], (hessian @ change)[kept])
    assert moved @ hessian @ moved / 2 == pytest.approx(0.1111, abs=1e-4)


def test_w9_the_change_of_loss_says_nothing_of_that_of_accuracy():
    """Margins that barely change sign: 100 points of accuracy, two millionths of a nat."""
    margins = np.full(50, 1e-6)
    loss = [np.mean(np.log1p(np.exp(-sign * margins))) for sign in (1, -1)]
    accuracy = [float(np.mean(sign * margins > 0)) for sign in (1, -1)]
    assert abs(loss[1] - loss[0]) == pytest.approx(1e-6, rel=1e-3)
    assert abs(accuracy[1] - accuracy[0]) == 1
    assert last_layer.accuracy_change(margins, np.full(50, 2e-6)) == 1, "R3 allows for it"


def test_w10_kl_is_ap2_for_one_variance_only_and_half_of_what_is_plotted_for_the_code_s():
    difference = 0.01 * np.arange(1, 6)
    ap2 = float(difference @ difference)
    assert gaussian.kl(math.sqrt(ap2 / 0.5)) == pytest.approx(ap2) == pytest.approx(0.0055)
    precision = 3.8 / ap2  # as if it were the largest of a trial
    assert gaussian.kl(math.sqrt(ap2 * precision)) == pytest.approx(1.9) == pytest.approx(ap2 * precision / 2)


def test_w11_a_matrix_of_equal_eigenvalues_is_a_multiple_of_the_identity():
    draw = np.random.default_rng(0)
    root = draw.normal(size=(40, 40))
    _, vectors = linalg.eigh(root + root.T)
    precision = vectors @ np.diag(np.full(40, 0.001)) @ vectors.T
    off_diagonal = precision - np.diag(np.diag(precision))
    assert abs(off_diagonal).max() < 1e-15
    difference = draw.normal(size=40)
    reported = math.sqrt(difference @ precision @ difference)
    assert reported == pytest.approx(math.sqrt(0.001) * np.linalg.norm(difference))


def test_w12_removing_the_highest_by_overwriting_makes_ap2_seven_times_too_large():
    draw = np.random.default_rng(1)
    weights = draw.uniform(-1, 1, (2048, 10)) / math.sqrt(2048)
    true, released = [], []
    for share in (0.1, 0.3, 0.5, 0.8):
        gone = abs(weights) >= np.quantile(abs(weights), 1 - share)
        true.append(float(np.sum(weights[gone] ** 2)))
        kept = np.where(gone, 0.0, abs(weights) - abs(weights).max())
        released.append(float(np.sum((weights - kept) ** 2)))
    assert true == pytest.approx([0.90, 2.19, 2.92, 3.31], abs=0.05)
    assert released == pytest.approx([6.66, 6.57, 6.25, 4.97], abs=0.1)
    assert released[0] / true[0] == pytest.approx(7.3, abs=0.2)
    assert released == sorted(released, reverse=True), "more removed, less far"


def test_w13_a_hundred_groups_are_101_and_averages_vary_less():
    groups = {size: math.ceil(size / (size // 100)) for size in (40960, 20480, 409600, 150)}
    assert groups == {40960: 101, 20480: 101, 409600: 100, 150: 150}
    weights = 0.05 * np.sin(np.arange(2500) ** 1.3)
    difference = np.where(np.argsort(np.argsort(abs(weights), kind="stable")) < 750, weights, 0.0)
    means = difference.reshape(100, 25).mean(axis=1)
    assert difference @ difference / 2 == pytest.approx(0.061352207777076, rel=1e-9)
    assert means @ means / 2 == pytest.approx(8.6052686259e-5, rel=1e-9), "with the identity, as in the code"
    assert 25 * means @ means / 2 == pytest.approx(0.002151317156478, rel=1e-9), "with the variance of a mean"


def test_w15_ap3_of_one_variance_is_exact_and_orders_as_ap2_does():
    lengths = np.random.default_rng(3).lognormal(size=40)
    for df in (1.0, 4.0, 30.0):
        order = stats.kendalltau(lengths**2, [student_t.kl(length, df, 100) for length in lengths]).statistic
        assert order == pytest.approx(1)
    assert student_t.kl(1.0, 4.0, 100) == pytest.approx(0.487319685981082, rel=1e-13)


def test_zero_eigenvalues_that_are_counted_twice_hide_the_limit():
    """Nine of ten eigenvalues are 0: the mixture allows a tenth of the share that the formula gives."""
    eigenvalues = np.r_[np.zeros(900), np.ones(100)]
    kept = effective_dimension(Spectrum.of(eigenvalues), 2 * 0.05, absolute=True).value / 1000
    assert kept == pytest.approx(0.1 / 1.1)
    assert (1 - 0.9) * kept == pytest.approx(0.1 * kept)


def test_a_density_in_bins_loses_eigenvalues_between_them():
    """100,000 bins over eigenvalues from 0 to 50, each a Gaussian of variance 1e-10 x 50."""
    width, deviation = 50 / 100_000, math.sqrt(1e-10 * 50)
    assert width / deviation == pytest.approx(math.sqrt(50))
    between = width / 2 / deviation
    heights = [math.exp(-((between + step * width / deviation) ** 2) / 2) for step in (-1, 0)]
    mass = sum(heights) * width / (deviation * math.sqrt(2 * math.pi))
    assert mass == pytest.approx(0.011, abs=0.001), "of 1"
