"""Gaussian divergences against reference values, torch, quadrature from the definition, and in hostile corners."""

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import torch
from oracles import on_the_line, shift_of
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from apcli.theory import measures
from apcli.theory.distributions.gaussian import GaussianPair, js, kl, pair, squared_distance, tv
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import NoExactForm, NotDefined

D = [0.1, -0.2, 0.3]
A = np.diag([1.0, 2.0, 4.0])
B = [[2, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 1.5]], [[1, 0.1, 0], [0.1, 2, 0.3], [0, 0.3, 1]]


@pytest.mark.parametrize("delta", [0.0, 1e-6, 0.1, 1.0, 10.0, 1e3, 1e150])
def test_kl_is_half_the_squared_distance_as_torch_has_it(delta):
    p, q = (Normal(torch.tensor(mean, dtype=torch.float64), 1.0) for mean in (0.0, delta))
    assert kl(delta) == pytest.approx(kl_divergence(p, q).item(), rel=1e-15, abs=1e-15)  # torch subtracts 1


@pytest.mark.parametrize("delta", [-1e-300, -1.0, math.nan])
def test_a_distance_is_not_negative(delta):
    with pytest.raises(ValueError, match="delta"):
        kl(delta)


def test_published_value():
    """By hand: D = (0.1, -0.2, 0.3), S = diag(1, 2, 4)."""
    found = pair(shift_of(D, A, A))
    assert found.kl() == pytest.approx(0.02625, rel=1e-14)
    scales = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64).sqrt()
    p = Independent(Normal(torch.tensor(D, dtype=torch.float64), scales), 1)
    q = Independent(Normal(torch.zeros(3, dtype=torch.float64), scales), 1)
    assert found.kl() == pytest.approx(kl_divergence(p, q).item(), rel=1e-13)


def test_reference_values_of_two_covariances():
    found = pair(shift_of(D, *B))
    assert found.dim == 3
    assert found.covariance_term == pytest.approx(0.69982849932780, rel=1e-12)
    expected = {
        measures.kl: 0.42359846019022,
        measures.reverse_kl: 0.45283779252408,
        measures.jeffreys: 0.8764362527143,
        measures.bhattacharyya: 0.10184376228433,
    }
    for measure, value in expected.items():
        assert measure(found) == pytest.approx(value, rel=1e-12)
    assert measures.hellinger(found) ** 2 == pytest.approx(0.096829350034638, rel=1e-12)
    assert found.renyi(0.5) == pytest.approx(0.20368752456866, rel=1e-12)
    assert found.renyi(0.3) == pytest.approx(0.12491955621076, rel=1e-12)
    assert found.w2() ** 2 == pytest.approx(0.59487672782299, rel=1e-12)
    assert found.renyi(2.0) == math.inf  # 2 S2 - S1 has a negative eigenvalue
    wider = pair(shift_of([0.1, -0.2, 0.3], np.eye(3), np.diag([1.5, 1.2, 1])))
    assert wider.renyi(2.0) == pytest.approx(0.19654838488297, rel=1e-12)
    assert pair(shift_of(0.01 * np.arange(1, 6), np.eye(5) / 2, np.eye(5) / 2)).kl() == pytest.approx(0.0055, rel=1e-14)


@pytest.mark.parametrize("dim", [1, 3, 40])
def test_kl_of_full_covariances(dim):
    draw = torch.Generator().manual_seed(dim)
    roots = torch.randn(2, dim, dim, generator=draw, dtype=torch.float64)
    first, second = roots @ roots.mT + torch.eye(dim, dtype=torch.float64)
    location = torch.randn(dim, generator=draw, dtype=torch.float64)
    found = pair(shift_of(location.numpy(), first.numpy(), second.numpy()))
    p, q = MultivariateNormal(location, first), MultivariateNormal(torch.zeros_like(location), second)
    assert found.kl() == pytest.approx(kl_divergence(p, q).item(), rel=1e-11)
    assert found.reversed().kl() == pytest.approx(kl_divergence(q, p).item(), rel=1e-11)


@pytest.mark.parametrize(("delta", "excess"), [(0.7, 0.5), (0.0, -0.6), (2.0, 3.0)])
def test_on_a_line_against_the_definition(delta, excess):
    found = pair(Shift(np.log1p([excess]), np.array([1]), np.array([delta]), delta))
    variance = 1 + excess

    def log_p(z):
        return -(z**2) / (2 * variance) - math.log(2 * math.pi * variance) / 2

    def log_q(z):
        return -((z - delta) ** 2) / 2 - math.log(2 * math.pi) / 2

    exact = on_the_line(log_p, log_q, [-5, 0, delta + 0.1, 7])
    assert found.kl() == pytest.approx(exact["kl"], rel=1e-9)
    assert measures.bhattacharyya(found) == pytest.approx(exact["bhattacharyya"], rel=1e-9)


@pytest.mark.parametrize("excess", [1e-9, -3e-7, 1e-3, 0.2, 0.3, -0.9, 50.0])
@pytest.mark.parametrize("alpha", [0.01, 0.5, 0.999, 1.005])
def test_near_equal_covariances_keep_their_digits(excess, alpha):
    found = pair(Shift(np.log1p([excess]), np.array([7]), np.array([1e-8]), 1e-8))
    with mpmath.workdps(60):
        e, al, square = mpmath.mpf(excess), mpmath.mpf(alpha), mpmath.mpf(1e-8) ** 2
        expected = (7 * (e - mpmath.log1p(e)) + square) / 2
        mixed = 1 + (1 - al) * e
        order = al * square / (2 * mixed) - 7 * (mpmath.log(mixed) - (1 - al) * mpmath.log1p(e)) / (2 * (al - 1))
    assert found.kl() == pytest.approx(float(expected), rel=2e-14)
    assert found.renyi(alpha) == pytest.approx(float(order), rel=1e-12)


def test_total_variation_of_one_scale():
    assert tv(1.0) == pytest.approx(0.38292492254803, rel=1e-14)
    assert tv(1e-12) == pytest.approx(1e-12 / math.sqrt(2 * math.pi), rel=1e-14)
    assert (tv(0.0), tv(1e3)) == (0, 1)
    assert pair(shift_of(D, A, A)).tv() == pytest.approx(0.091209595407709, rel=1e-13)


def test_jensen_shannon_of_one_scale():
    reference = {1e-4: 1.2499999984375e-9, 0.5: 0.030311300520839, 2.0: 0.33683082034683, 10.0: 0.69314631739398}
    for delta, expected in reference.items():
        assert js(delta) == pytest.approx(expected, rel=1e-13)
    for delta in (1e-9, 1e-5):
        assert js(delta) == pytest.approx(delta**2 / 8, rel=1e-9)
    assert js(0.0) == 0
    assert js(99.9) == pytest.approx(math.log(2), rel=1e-14)
    assert js(1e300) == js(math.inf) == math.log(2)


@pytest.mark.parametrize("delta", [0.3, 3.0, 7.0, 9.0])
def test_one_scale_against_the_definition(delta):
    def log_density(z):
        return -(z**2) / 2 - math.log(2 * math.pi) / 2

    exact = on_the_line(log_density, lambda z: log_density(z - delta), [-6, 0, delta / 2, delta, delta + 6])
    assert js(delta) == pytest.approx(exact["js"], rel=1e-10)
    assert tv(delta) == pytest.approx(exact["tv"], rel=1e-10)


def test_lower_bounds_of_total_variation():
    assert pair(shift_of(D, A, A)).tv_lower() == pytest.approx(
        {"lemma_1": 0.0049751243781095, "lemma_1_best": 0.012954966070327}, rel=1e-12
    )
    unequal = pair(shift_of(D, *B)).tv_lower()
    assert unequal == pytest.approx({"lemma_1": 0.0081680280046674, "lemma_1_best": 0.032666471815404}, rel=1e-12)
    unknown = pair(Shift.of_one_scale(1.0, 3, known=False)).tv_lower()
    assert unknown == {"lemma_1": None, "lemma_1_best": pytest.approx(0.2)}


def test_what_has_no_exact_form_says_so():
    unequal = pair(shift_of(D, *B))
    for measure, name in ((unequal.tv, "total variation"), (unequal.js, "Jensen-Shannon")):
        with pytest.raises(NoExactForm, match=name):
            measure()
    with pytest.raises(NotDefined, match="scale matrices"):
        pair(replace(unequal.shift, bures2=None)).w2()
    assert pair(Shift.of_one_scale(2.0, 3, 0.5, known=False)).w2() == 0.5  # a translation, whatever the scale is


def test_squared_distance_is_a_square():
    assert squared_distance(Shift.of_one_scale(2.0, 3, 0.5)) == 0.25
    assert squared_distance(Shift.of_one_scale(2.0, 3, np.float64(1e200))) == math.inf
    assert squared_distance(Shift.of_one_scale(0.0, 10**9)) == 0


@pytest.mark.filterwarnings("error")
def test_hostile_corners():
    assert [pair(Shift.of_one_scale(0.0, 10**9)).renyi(alpha) for alpha in (0.5, 2.0)] == [0, 0]
    far = pair(Shift.of_one_scale(math.inf, 3))
    assert far.kl() == far.renyi(0.5) == far.renyi(2.0) == far.w2() == math.inf
    assert (far.tv(), far.js()) == (1, math.log(2))
    huge = pair(Shift.of_one_scale(1e300, 3))
    assert huge.kl() == huge.renyi(0.5) == math.inf
    singular = pair(Shift(np.array([-math.inf, 0.5]), np.array([1, 2]), np.zeros(2), 0.0))  # 1e-30 beside 1, in floats
    assert singular.kl() == singular.renyi(0.5) == singular.renyi(2.0) == math.inf
    wide = pair(Shift(np.log([1e30]), np.array([2]), np.array([1.0]), 1.0))
    assert wide.kl() == pytest.approx(1e30, rel=1e-12)
    assert wide.renyi(0.5) == pytest.approx(30 * math.log(10) - 2 * math.log(2), rel=1e-12)
    assert isinstance(wide, GaussianPair)
