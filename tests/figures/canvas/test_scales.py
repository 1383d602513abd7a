"""Scales: places along an axis, and numbers that a reader would have chosen."""

import math

import pytest

from apcli.figures.canvas.scales import linear, logarithmic, of_sparsities, text_of


def texts(scale):
    return [text for _, text in scale.ticks]


def test_a_linear_scale_has_round_ticks_within_its_ends():
    scale = linear([0.0, 97.3])
    assert texts(scale) == ["0", "20", "40", "60", "80", "100"]
    assert scale.low < 0 < 97.3 < scale.high
    assert scale.place(scale.low) == 0
    assert scale.place(scale.high) == 1
    assert scale.place((scale.low + scale.high) / 2) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("last", "expected"), [(1, ["0", "1"]), (3, ["0", "1", "2", "3"]), (20, ["0", "5", "10", "15", "20"])]
)
def test_epochs_are_whole(last, expected):
    assert texts(linear(range(last + 1), whole=True)) == expected


def test_one_value_has_a_place():
    for scale in (
        linear([5.0]),
        linear([0.0]),
        linear([]),
        linear([3], whole=True),
        logarithmic([5.0]),
        logarithmic([]),
    ):
        assert scale.low < scale.high
        assert scale.ticks
    assert linear([5.0]).place(5.0) == pytest.approx(0.5)
    assert logarithmic([5.0]).place(5.0) == pytest.approx(0.5)


def test_a_logarithmic_scale_has_decades_or_numbers_between():
    assert texts(logarithmic([1e-3, 1e3], most=9)) == ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]
    assert texts(logarithmic([1e-8, 1e3])) == ["1e-7", "1e-5", "0.001", "0.1", "10", "1000"]
    assert texts(logarithmic([0.02, 0.5])) == ["0.03", "0.1", "0.3"]
    assert texts(logarithmic([0.9, 6.0])) == ["1", "2", "5"]
    assert len(logarithmic([400, 480]).ticks) >= 2
    scale = logarithmic([1.0, 100.0])
    assert scale.place(10.0) == pytest.approx(0.5)


@pytest.mark.parametrize("low", [1e-12, 3e-5, 0.2, 7.0, 5e8])
@pytest.mark.parametrize("ratio", [1.0001, 1.5, 7, 30, 1e4, 1e12])
def test_any_range_has_a_few_ticks_within(low, ratio):
    scale = logarithmic([low, low * ratio])
    assert 2 <= len(scale.ticks) <= 7
    assert all(scale.low <= value * (1 + 1e-9) and value <= scale.high * (1 + 1e-9) for value, _ in scale.ticks)
    assert len(set(texts(scale))) == len(scale.ticks) or ratio < 1.001


def test_values_outside_stand_at_the_ends():
    scale = logarithmic([1.0, 10.0])
    assert scale.place(0.0) == 0
    assert scale.place(-3.0) == 0
    assert scale.place(1e9) == 1


def test_sparsities_are_spaced_by_the_logarithm_of_compression():
    scale = of_sparsities([0.0, 0.5, 0.75, 0.9])
    assert texts(scale) == ["0", "0.5", "0.75", "0.9"]
    assert scale.place(0.75) - scale.place(0.5) == pytest.approx(scale.place(0.5) - scale.place(0.0))
    assert (scale.place(0.9) - scale.place(0.0)) / (scale.place(0.5) - scale.place(0.0)) == pytest.approx(math.log2(10))


def test_numbers_are_short():
    numbers = {0.0: "0", 0.01: "0.01", 1e-4: "1e-4", 2.5e-7: "2.5e-7", -2.0: "−2", 1e5: "1e5", 1500.0: "1500"}
    assert {value: text_of(value) for value in numbers} == numbers
