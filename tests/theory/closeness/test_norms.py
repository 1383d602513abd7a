"""Spectral norms against NumPy's, by each way, and upper bounds where nothing converges."""

import numpy as np
import pytest
from scipy.sparse import linalg as sparse

from apcli.theory.closeness import norms
from apcli.theory.closeness.norms import spectral_norm

REFERENCE = (1.3538557826353, 1.2987753936012, 0.91079494330979)


def test_reference_values(weights):
    for weight, expected in zip(weights, REFERENCE, strict=True):
        found = spectral_norm(weight)
        assert found.value == pytest.approx(expected, rel=3e-14)
        assert found.value < found.upper == pytest.approx(found.value, rel=1e-13)
        assert found.method == "exact"


@pytest.fixture(params=["exact", "top", "verified", "bounded"])
def way(request, monkeypatch):
    """One of the ways in which norms are computed, whatever the size."""
    kept = {"exact": (99, 99, 99), "top": (0, 99, 99), "verified": (0, 1, 99), "bounded": (0, 1, 1)}[request.param]
    for name, size in zip(("BATCHED", "DIRECT", "VERIFIED"), kept, strict=True):
        monkeypatch.setattr(norms, name, size)
    return request.param


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (3, 12, 7), (2, 3, 9, 9)])
def test_every_way_finds_the_norm(way, shape, scale):
    random = np.random.default_rng(sum(shape))
    for blocks in (random.normal(size=shape), random.normal(size=shape) + 1j * random.normal(size=shape)):
        expected = np.linalg.norm(blocks, 2, axis=(-2, -1)).max() * scale
        found = spectral_norm(blocks * scale)
        assert found.value == pytest.approx(expected, rel=1e-9)
        assert found.upper >= expected
        assert found.method == way.replace("top", "exact")
        assert found.upper <= expected * (5 if way == "bounded" else 1 + 2e-8)


def test_low_precision_and_one_row_or_column(way):
    whole = np.arange(1, 13, dtype=np.float32).reshape(1, 12)
    for weight in (whole, whole.T):
        found = spectral_norm(weight)
        assert found.value == pytest.approx(np.sqrt(650), rel=1e-9)
        assert found.upper >= found.value


def test_the_larger_of_two_blocks_is_found_in_either_order(way):
    random = np.random.default_rng(0)
    small, large = random.normal(size=(2, 15, 10)) * np.array([1, 1.5])[:, None, None]
    expected = np.linalg.norm(large, 2)
    for blocks in (np.stack([small, large]), np.stack([large, small]), np.stack([large, large, 0 * large])):
        found = spectral_norm(blocks)
        assert found.value == pytest.approx(expected, rel=1e-9)
        assert found.upper >= expected


def test_an_iteration_that_misses_the_largest_is_found_out(monkeypatch):
    """The upper bound does not depend on what Lanczos says."""
    monkeypatch.setattr(norms, "BATCHED", 0)
    monkeypatch.setattr(norms, "DIRECT", 0)
    monkeypatch.setattr(norms, "_lanczos", lambda product: 0.2)
    found = spectral_norm(np.diag(np.linspace(0.1, 1, 30)))
    assert (found.value, found.method) == (0.2, "bounded")
    assert found.upper == pytest.approx(1.0, rel=1e-15)


def test_iterations_that_do_not_converge_leave_a_lower_bound(monkeypatch):
    def gives_up(*_, **__):
        raise sparse.ArpackNoConvergence("no", np.zeros(0), np.zeros((0, 0)))

    monkeypatch.setattr(sparse, "eigsh", gives_up)
    for name in ("BATCHED", "DIRECT", "VERIFIED"):
        monkeypatch.setattr(norms, name, 0)
    weight = np.random.default_rng(1).normal(size=(40, 50))
    found, norm = spectral_norm(weight), np.linalg.norm(weight, 2)
    assert 0.7 * norm < found.value <= norm <= found.upper


def test_nothing_has_norm_0(way):
    for shape in ((3, 4), (2, 3, 4), (0, 4)):
        assert spectral_norm(np.zeros(shape)).upper == 0


@pytest.mark.parametrize("weight", [np.ones(3), np.full((2, 2), np.nan), np.array([[np.inf]])])
def test_what_has_no_norm_is_refused(weight):
    with pytest.raises(ValueError, match="expected finite numbers in two dimensions"):
        spectral_norm(weight)
