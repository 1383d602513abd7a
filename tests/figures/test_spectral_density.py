"""The spectrum: the area under a part of the curve is the share of the eigenvalues there."""

import math

import pytest
from studies import lines, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.spectral_density import _density, spectral_density
from apcli.figures.study import PlottedLimit, Study


def limit(eigenvalues, threshold=None, name="net"):
    return PlottedLimit(name, {}, 0.01, (), tuple(eigenvalues), threshold)


def test_the_area_of_the_curve_is_the_share_of_the_eigenvalues():
    steps = [-8 + 0.01 * step for step in range(1201)]
    heights = [_density(place, [-4.0, 1.0], [0.7, 0.3]) for place in steps]
    area = [sum(h for x, h in zip(steps, heights, strict=True) if low < x < high) * 0.01 for low, high in
            ((-6, -2), (-1, 3))]  # fmt: skip
    assert area == pytest.approx([0.7, 0.3], rel=1e-6)


def test_the_limit_stands_between_the_eigenvalues_that_it_parts():
    drawing = spectral_density(Study(limits=(limit([(1e-4, 0.9), (10.0, 0.1)], 1e-1),)))
    (upright,) = lines(drawing, "2ε / R² = 0.1")
    feet = sorted(mark.places[0][0] for mark in lines(drawing, "") if mark.color == "method-1" and mark.width == 0.8)
    low, high = feet
    assert (upright.places[0][0] - low) / (high - low) == pytest.approx(3 / 5)
    assert "2ε / R² at the published limit" in words(drawing)


def test_eigenvalues_of_no_place_are_said_and_in_the_data():
    drawing = spectral_density(Study(limits=(limit([(-0.1, 0.25), (1e-30, 0.25), (1.0, 0.5)]),)))
    assert "25.0% are negative, and not shown" in words(drawing)
    assert "25.0% are below a millionth of the largest: 0 but for rounding" in words(drawing)
    assert [row["eigenvalue"] for row in rows(drawing)] == [-0.1, 1e-30, 1.0]
    assert math.isclose(sum(row["share"] for row in rows(drawing)), 1)
    assert "2ε / R² at the published limit" not in words(drawing)


def test_without_a_spectrum_there_is_no_figure():
    for eigenvalues in ((), [(-1.0, 1.0)], [(0.0, 1.0)]):
        with pytest.raises(Missing, match="no spectrum"):
            spectral_density(Study(limits=(limit(eigenvalues),)))
