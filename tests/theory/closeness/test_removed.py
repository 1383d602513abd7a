"""Theorem B: reference values, every bound against the norm, and energies against integrals and samples."""

import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.sparse.linalg import svds

from apcli.theory.closeness.removed import DISTRIBUTIONS, ORDERS, energy_removed, highest, lowest, removed_part

REFERENCE = {  # lowest 30 %: e, |E|_F, tau sqrt(k), tau sqrt(r c), t; highest 30 %: e
    0: (0.30664713800367, 0.93118824303295, 1.6267489092052, 1.4140140535402, 1.3749667791416, 1.1335260224246),
    1: (0.30194530373958, 0.91705740844702, 1.5618929277013, 1.2470714965358, 1.2796197982345, 1.0190006130242),
    2: (0.20204783324641, 0.45005586675473, 0.77874149185232, 0.75902331688543, 0.89610453908771, 0.70469862721972),
}


@pytest.mark.parametrize("index", REFERENCE)
def test_reference_values(weights, index):
    weight = weights[index]
    count = math.floor(0.3 * weight.size)
    removed = lowest(weight, count)
    part = removed_part(weight, removed)
    found = (
        np.linalg.norm(weight * removed, 2),
        part.frobenius,
        part.by_count,
        part.by_rows_and_columns,
        np.linalg.norm(weight * ~removed, 2),
        np.linalg.norm(weight * highest(weight, count), 2),
    )
    assert found == pytest.approx(REFERENCE[index], rel=1e-12)
    assert (part.count, part.bound) == (count, part.frobenius)
    assert part.share == pytest.approx(part.frobenius / np.linalg.norm(weight), rel=1e-15)


def test_no_bound_is_below_the_norm():
    tightest = set()
    for seed in range(300):
        random = np.random.default_rng(seed)
        weight = random.standard_t(2, size=random.integers(1, 12, size=2)).round(1)
        count = int(random.integers(0, weight.size + 1))
        for removed in (lowest(weight, count), highest(weight, count), random.random(weight.shape) < 0.1):
            part = removed_part(weight, removed)
            norm = np.linalg.norm(weight * removed, 2)
            bounds = (part.frobenius, part.by_count, part.by_rows_and_columns)
            assert all(norm <= bound * (1 + 1e-12) for bound in bounds), seed
            tightest.add(int(np.argmin(bounds)))
    assert tightest >= {0, 2}


def test_of_equal_magnitudes_the_first_go():
    weight = np.array([[0.5, -0.5, 2.0], [0.5, 0.1, -2.0]])
    assert lowest(weight, 3).tolist() == [[True, True, False], [False, True, False]]
    assert highest(weight, 1).tolist() == [[False, False, True], [False, False, False]]
    part = removed_part(weight, lowest(weight, 3))
    assert (part.count, part.in_a_row, part.in_a_column, part.largest, part.tied) == (3, 2, 2, 0.5, 3)


def test_none_and_all():
    weight = np.arange(6.0).reshape(2, 3) - 2
    none, everything = (removed_part(weight, lowest(weight, count)) for count in (0, 6))
    assert (none.count, none.bound, none.tied, none.largest, none.share) == (0, 0, 0, 0, 0)
    assert (everything.count, everything.share, everything.largest) == (6, 1, 3)
    assert removed_part(np.zeros((2, 3)), lowest(weight, 6)).share == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: lowest(np.ones((2, 2)), 5),
        lambda: highest(np.ones((2, 2)), -1),
        lambda: removed_part(np.ones((2, 2)), np.ones((2, 3), bool)),
        lambda: removed_part(np.ones(2), np.ones(2, bool)),
        lambda: energy_removed("cauchy", "lowest", 0.5),
        lambda: energy_removed("laplace", "best", 0.5),
        lambda: energy_removed("laplace", "lowest", 1.5),
        lambda: energy_removed("laplace", "lowest", math.nan),
    ],
)
def test_what_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()


@pytest.mark.parametrize(
    ("fraction", "order", "expected"),
    [
        (0.1, "lowest", (0.001, 0.0005252517549, 0.0001801586911)),
        (0.1, "highest", (0.271, 0.4392860643, 0.5953534148)),
        (0.3, "lowest", (0.027, 0.01455536574, 0.005801583771)),
        (0.3, "highest", (0.657, 0.7833070795, 0.8786244183)),
        (0.5, "lowest", (0.125, 0.07132591774, 0.03331315624)),
        (0.8, "lowest", (0.512, 0.3501796759, 0.2190833781)),
        (0.3, "random", (0.3, 0.3, 0.3)),
    ],
)
def test_reference_energies(fraction, order, expected):
    found = [energy_removed(distribution, order, fraction) for distribution in DISTRIBUTIONS]
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("fraction", [1e-6, 0.02, 0.6, 0.99])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_energies_are_integrals(distribution, fraction):
    frozen = {"uniform": stats.uniform(-1, 2), "gaussian": stats.norm(), "laplace": stats.laplace()}[distribution]
    threshold = frozen.ppf((1 + fraction) / 2)
    inside = integrate.quad(lambda x: 2 * x * x * frozen.pdf(x), 0, threshold, epsabs=0, epsrel=1e-10)[0]
    lowest_share = energy_removed(distribution, "lowest", fraction)
    assert lowest_share == pytest.approx(inside / frozen.var(), rel=1e-8)
    assert energy_removed(distribution, "highest", 1 - fraction) == pytest.approx(1 - lowest_share, rel=1e-9)
    assert lowest_share <= fraction <= energy_removed(distribution, "highest", fraction)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_none_has_no_energy_and_all_have_all(distribution, order):
    assert (energy_removed(distribution, order, 0), energy_removed(distribution, order, 1)) == (0, 1)
    assert energy_removed(distribution, order, 1e-12) < 1e-8
    assert energy_removed(distribution, order, 1 - 1e-12) > 1 - 1e-8


@pytest.mark.slow
def test_the_root_of_the_energy_is_the_share_of_the_norm():
    """Uniform weights of variance 1 / 1000 in a square, with the table's norms of another draw: within 1.5 %."""
    weight = np.random.default_rng(0).uniform(-1, 1, size=(1000, 1000)) * math.sqrt(3 / 1000)
    of_orders = {
        "lowest": (0.0631, 0.32821, 0.70485),
        "random": (0.63593, 1.09374, 1.40303),
        "highest": (1.04182, 1.60894, 1.86444),
    }
    assert norm_of(weight) == pytest.approx(1.9926, rel=0.01)
    order = np.argsort(np.abs(weight), axis=None)
    for name, norms in of_orders.items():
        places = {"lowest": order, "highest": order[::-1], "random": np.random.default_rng(1).permutation(weight.size)}
        for fraction, norm in zip((0.1, 0.3, 0.5), norms, strict=True):
            part = np.zeros_like(weight)
            taken = places[name][: int(fraction * weight.size)]
            part.flat[taken] = weight.flat[taken]
            found = norm_of(part)
            assert found == pytest.approx(norm, rel=0.015)
            assert found == pytest.approx(2 * math.sqrt(energy_removed("uniform", name, fraction)), rel=0.02)


def norm_of(matrix):
    """By ARPACK, which a large matrix takes a tenth of the time of a full decomposition."""
    start = np.random.default_rng(0).normal(size=len(matrix))
    return float(svds(matrix, k=1, v0=start, tol=1e-4, return_singular_vectors=False)[0])
