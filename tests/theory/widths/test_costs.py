"""The cost of widths as a polynomial."""

import numpy as np
import pytest

from apcli.theory.widths.costs import WidthCost

SIZES = np.array([8.0, 16, 32])  # RGB -> 8 (3x3, 16x16) -> 16 (3x3, 8x8) -> 32 (3x3, 4x4) -> linear 10
PRODUCTS = np.array([[0.0, 9 * 64, 0], [9 * 64, 0, 9 * 16], [0, 9 * 16, 0]])
NET = WidthCost(0.0, np.array([27.0 * 256, 0, 10]), PRODUCTS)


def test_the_cost_of_three_convolutions_and_a_linear_layer():
    assert NET.at(SIZES) == 27 * 8 * 256 + 9 * 8 * 16 * 64 + 9 * 16 * 32 * 16 + 320 == 203072
    assert NET.at(np.array([5.0, 4, 3])) == 27 * 5 * 256 + 9 * 20 * 64 + 9 * 12 * 16 + 30


def test_the_same_by_shares():
    shares = np.array([0.5, 0.25, 0.75])
    assert NET.of_shares(SIZES).at(shares) == NET.at(shares * SIZES)
    assert NET.of_shares(SIZES).linear.tolist() == [55296, 0, 320]
    assert NET.of_shares(SIZES).products[0, 1] == NET.of_shares(SIZES).products[1, 2] == 73728


def test_the_slope():
    widths, step = np.array([5.0, 4, 3]), 1e-3
    differences = [(NET.at(widths + step * e) - NET.at(widths - step * e)) / (2 * step) for e in np.eye(3)]
    assert NET.slope(widths) == pytest.approx(differences)


def test_groups_that_keep_their_widths():
    fixed = NET.fixing(np.array([False, True, False]), np.array([0, 4.0, 0]))
    assert fixed.at(np.array([5.0, 3])) == NET.at(np.array([5.0, 4, 3]))
    assert fixed.products.tolist() == [[0, 0], [0, 0]]


def test_elements_that_cost_the_same_whatever_else_is_kept():
    assert WidthCost.additive(np.array([2, 3])).at(np.array([10.0, 1])) == 23
