"""The limits of a dense network, against dense matrices and every mask."""

from itertools import pairwise

import numpy as np
import pytest

from apcli.errors import UsageError
from apcli.stages.limits.limits import Limits, Settings
from apcli.theory.limit.dimensions import aligned_kept, isotropic_kept, published_kept
from apcli.theory.limit.spectra import Spectrum
from apcli.theory.numerics.lanczos import Ritz


@pytest.fixture(scope="module")
def exact(oracle):
    """Eigenvalues, and the eigenvectors."""
    return np.linalg.eigh(oracle.hessian)


def test_limits_by_the_spectrum_are_those_of_all_eigenvalues(limits, exact, oracle):
    values, vectors = exact
    spectrum, order = Spectrum.of(values), limits.order
    ends = limits.extremes
    assert abs(ends.largest - values[-1]) <= ends.largest_error + 1e-5
    assert abs(ends.smallest) < 1e-5
    assert limits.semidefinite
    assert limits.spectrum.trace().value == pytest.approx(np.trace(oracle.hessian), rel=0.2)
    size = len(order.order)

    def alignment(k):
        shares = (vectors.T @ limits.landscape.removed(k)) ** 2
        return Ritz(values, shares / shares.sum(), np.zeros_like(values))

    for found, expected in (
        (limits.published, published_kept(spectrum, order, limits.eps)),
        (limits.isotropic, isotropic_kept(spectrum, order, limits.eps)),
        (limits.aligned, aligned_kept(spectrum, order, limits.eps, alignment)),
    ):
        assert 0 < expected < size
        assert found == pytest.approx(expected, abs=0.03 * size)  # two random starts


def test_the_best_point_is_that_of_dense_solves_on_every_mask(limits, oracle):
    masks = [limits.order.kept(k) for k in range(0, len(limits.order.order) + 1)]
    least = [oracle.least(mask, limits.damping) for mask in masks[:: len(masks) // 20]]
    assert all(one >= other for one, other in pairwise(least)), "the masks are nested"
    kept = limits.best.kept
    assert oracle.least(masks[kept + 1], limits.damping) <= limits.eps < oracle.least(masks[kept - 2], limits.damping)
    assert limits.best.point.change == pytest.approx(oracle.least(masks[kept], limits.damping), rel=1e-3)
    removed = limits.landscape.removed(kept - 1)
    assert removed @ limits.landscape.product(removed) / 2 > limits.eps, "without adjustment more are kept"


def test_adjusting_lowers_the_loss_as_its_second_order_says(limits_for, oracle):
    limits = limits_for(eps="abs-0.0001")  # so near that the loss is quadratic
    kept, point = limits.best.kept, limits.best.point.weights
    d = point - oracle.weights
    expected = oracle.gradient @ d + d @ oracle.hessian @ d / 2
    assert limits.best_rise == pytest.approx(expected, rel=0.1, abs=2e-5)
    unadjusted = limits.rise_one_shot(kept)
    assert limits.best_rise < unadjusted
    assert unadjusted == pytest.approx(limits.linear(kept) + limits.best.point.unadjusted, rel=0.3)
    assert limits.slope == pytest.approx(np.linalg.norm(oracle.gradient), rel=1e-4)


def test_one_shot_meets_eps_and_one_weight_fewer_does_not(limits):
    assert limits.rise_one_shot(limits.one_shot) <= limits.eps < limits.rise_one_shot(limits.one_shot - 1)


def test_a_larger_eps_removes_more(limits, limits_for):
    loose = limits_for(eps="rel-0.5")
    assert loose.eps == pytest.approx(0.5 * loose.landscape.loss)
    assert loose.eps > limits.eps
    for one in ("published", "isotropic", "aligned", "one_shot"):
        assert getattr(loose, one) < getattr(limits, one)
    assert loose.best.kept < limits.best.kept


def test_the_curve_goes_to_every_limit(limits, oracle):
    curve = limits.curve
    sparsities = [point.sparsity for point in curve]
    assert sparsities == sorted(set(sparsities))
    assert {1 - limits.share(k) for k in limits.marks().values()} <= set(sparsities)
    for point in (curve[0], curve[-1]):
        k = round((1 - point.sparsity) * limits.landscape.removable)
        removed = limits.landscape.removed(k)
        assert point.rise == pytest.approx(oracle.loss(oracle.weights - removed) - limits.landscape.loss, abs=1e-5)
        assert point.second_order == pytest.approx(removed @ oracle.hessian @ removed / 2, rel=1e-4)


def test_negative_curvature_is_damped(limits_for):
    limits = limits_for(curvature="hessian", damping=0.0)
    starts = tuple(Ritz(one.values - 0.1, one.weights, one.errors) for one in limits.spectrum.starts)
    limits.spectrum = Spectrum(limits.spectrum.size, starts, starts)
    assert limits.damping == pytest.approx(0.105, rel=1e-3)
    assert not limits.semidefinite


def test_a_rule_that_gives_no_eps(subject, monkeypatch):
    settings = Settings("std", "gauss-newton", 2, 1, 0.0, 1, 0.0)
    monkeypatch.setitem(vars(subject.outputs), "losses", np.zeros(3))
    with pytest.raises(UsageError, match=r"limit:eps: eps is 0 .* give abs-X$"):
        Limits(subject, settings, 0, lambda words: None)
