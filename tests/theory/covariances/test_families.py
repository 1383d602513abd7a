"""Covariances of layers against explicit matrices of the whole layer, other libraries, and what is refused."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mpmath import mp
from oracles import column_variances
from safetensors.numpy import save_file
from scipy import linalg
from sklearn.covariance import ledoit_wolf

from apcli.projections import COVARIANCES
from apcli.theory.covariances.families import Covariances, _different, ar1, diag, full, identity, rows
from apcli.theory.covariances.row_samples import Rows
from apcli.theory.distributions.shifts import Shift
from apcli.theory.numerics.matrices import euclidean

K, J = 6, 4


def stream(weight: np.ndarray, step: int = 4) -> Rows:
    """A layer whose rows come in blocks of ``step``."""
    weight = np.asarray(weight, np.float64)
    return Rows(lambda: (weight[i : i + step] for i in range(0, len(weight), step)), *weight.shape)


def weights(count: int = K, columns: int = J, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """A layer with correlated columns of unlike variances, and the same with some of it removed."""
    draw = np.random.default_rng(seed)
    dense = draw.normal(size=(count, columns)) @ draw.normal(size=(columns, columns)) + draw.normal(size=columns)
    return dense, np.where(np.abs(dense) < np.quantile(np.abs(dense), 0.4), 0, dense + 0.1)


def shift_of(covariances: Covariances, difference: np.ndarray, step: int = 4) -> Shift:
    """The layer's shift, its difference taken a few rows at a time."""
    parts = [covariances.distances(difference[i : i + step]) for i in range(0, len(difference), step)]
    return covariances.shift(np.hypot.reduce(parts), euclidean(difference), *difference.shape)


def explicit(difference: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray | float]:
    """What a shift says, from whole scale matrices [K J, K J] with the plainest formulas."""
    d = difference.ravel()
    values, axes = linalg.eigh(first, second)
    root = linalg.sqrtm(second)
    middle = np.real(linalg.sqrtm(root @ first @ root))
    return {
        "eigenvalues": values,
        "projections": np.abs(axes.T @ d),
        "delta": math.sqrt(d @ linalg.solve(second, d)),
        "traces": (np.trace(first), np.trace(second)),
        "bures2": np.trace(first) + np.trace(second) - 2 * np.trace(middle),
    }


def check(shift: Shift, difference: np.ndarray, first: np.ndarray, second: np.ndarray, scales: tuple[float, float]):
    """The shift is that of the laws with scale matrices scale^2 I (x) C."""
    count = difference.size // len(first)
    whole = [s**2 * np.kron(np.eye(count), c) for s, c in zip(scales, (first, second), strict=True)]
    expected = explicit(difference, *whole)
    assert shift.dim == difference.size
    assert np.sort(np.repeat(1 + shift.excess, shift.multiplicity)) == pytest.approx(expected["eigenvalues"], rel=1e-10)
    assert shift.delta == pytest.approx(expected["delta"], rel=1e-11)
    assert shift.length == pytest.approx(np.linalg.norm(difference), rel=1e-14)
    assert shift.traces == pytest.approx(expected["traces"], rel=1e-12)
    assert shift.bures2 == pytest.approx(expected["bures2"], rel=1e-6, abs=1e-7)
    for i, value in enumerate(shift.excess):  # lengths within each eigenspace
        near = np.abs(expected["eigenvalues"] - 1 - value) < 1e-8 * expected["eigenvalues"]
        same = np.abs(shift.excess - value) < 1e-8 * (1 + value)
        assert np.linalg.norm(shift.distance[same]) == pytest.approx(
            np.linalg.norm(expected["projections"][near]), rel=1e-8, abs=1e-12
        ), i


def shrunk(weight: np.ndarray, shrinkage: float | None = None) -> np.ndarray:
    if shrinkage is None:
        return ledoit_wolf(weight)[0]
    sample = np.cov(weight.T, bias=True)
    return (1 - shrinkage) * sample + shrinkage * np.trace(sample) / len(sample) * np.eye(len(sample))


DENSE, PRUNED = weights()
ONES = np.eye(J)
LAW = {"scale": 1.5, "pruned_scale": "same"}


@pytest.mark.parametrize("scales", [(1.0, "same"), (0.7, "same"), (0.7, "1.9"), (2.0, 1e-3)])
@pytest.mark.parametrize(
    ("function", "parameters", "matrices"),
    [
        (identity, {}, (ONES, ONES)),
        (diag, {"pruned_cov": "same"}, (np.diag(column_variances(DENSE)),) * 2),
        (diag, {"pruned_cov": "own"}, (np.diag(column_variances(DENSE)), np.diag(column_variances(PRUNED)))),
        (ar1, {"rho": 0.6, "pruned_rho": "same"}, (linalg.toeplitz(0.6 ** np.arange(J)),) * 2),
        (
            ar1,
            {"rho": 0.6, "pruned_rho": "-0.3"},
            (linalg.toeplitz(0.6 ** np.arange(J)), linalg.toeplitz((-0.3) ** np.arange(J))),
        ),
        (rows, {"shrinkage": "auto", "pruned_cov": "same"}, (shrunk(DENSE),) * 2),
        (rows, {"shrinkage": "0.25", "pruned_cov": "same"}, (shrunk(DENSE, 0.25),) * 2),
        (rows, {"shrinkage": "1", "pruned_cov": "same"}, (shrunk(DENSE, 1),) * 2),
        (rows, {"shrinkage": "0", "pruned_cov": "same"}, (shrunk(DENSE, 0),) * 2),
        (rows, {"shrinkage": "auto", "pruned_cov": "own"}, (shrunk(DENSE), shrunk(PRUNED))),
    ],
)
def test_against_whole_matrices(function, parameters, matrices, scales):
    scale, pruned_scale = scales
    found = function(stream(DENSE), stream(PRUNED), scale, pruned_scale, **parameters)
    other = scale if pruned_scale == "same" else float(pruned_scale)
    check(shift_of(found, DENSE - PRUNED), DENSE - PRUNED, *matrices, (scale, other))


@pytest.mark.parametrize("shrinkage", ["auto", "0.01", "0.9", "1"])
def test_rows_longer_than_there_are(shrinkage):
    """K x K inner products instead of a J x J covariance, in blocks of rows and panels of columns."""
    dense, pruned = weights(5, 9)
    found = rows(stream(dense, 2), stream(pruned, 2), 1.3, "same", shrinkage=shrinkage, pruned_cov="same")
    matrix = shrunk(dense, None if shrinkage == "auto" else float(shrinkage))
    check(shift_of(found, dense - pruned, 3), dense - pruned, matrix, matrix, (1.3, 1.3))


def test_a_single_row_has_one_variance():
    dense, pruned = weights(1, 7)
    matrices = [np.var(w) * np.eye(7) for w in (dense, pruned)]
    for shrinkage in ("auto", "0", "0.3"):
        found = rows(stream(dense), stream(pruned), 1.0, "same", shrinkage=shrinkage, pruned_cov="same")
        check(shift_of(found, dense - pruned), dense - pruned, matrices[0], matrices[0], (1, 1))
    own = rows(stream(dense), stream(pruned), 1.0, 2.0, shrinkage="auto", pruned_cov="own")
    check(shift_of(own, dense - pruned), dense - pruned, *matrices, (1, 2))


def test_rows_of_one_weight():
    dense, pruned = weights(5, 1)
    variance = np.var(dense) * np.eye(1)
    for found in (
        rows(stream(dense), stream(pruned), 1.0, "same", shrinkage="auto", pruned_cov="same"),
        rows(stream(dense), stream(dense), 1.0, "same", shrinkage="auto", pruned_cov="own"),
    ):
        check(shift_of(found, dense - pruned), dense - pruned, variance, variance, (1, 1))
    correlated = ar1(stream(dense), stream(pruned), 1.0, "same", rho=0.9, pruned_rho="same")
    check(shift_of(correlated, dense - pruned), dense - pruned, np.eye(1), np.eye(1), (1, 1))


def test_near_equal_covariances_keep_their_digits():
    """Both eigenvalues and the Bures distance come from the difference, 1e-9 of the whole."""
    base = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 1.5]])
    nudge = 2.0**-30 * np.array([[1.0, 0.5, 0.0], [0.5, -1.0, 0.25], [0.0, 0.25, 0.5]])
    scales = [1.0, 1 + 2.0**-28]
    shift = shift_of(_different(base + nudge, base, (scales[0], scales[1]), ("", "")), np.ones((1, 3)))
    with mp.workdps(50):
        first = mp.matrix((base + nudge).tolist())
        second = mp.matrix(base.tolist()) * mp.mpf(scales[1]) ** 2
        lower = mp.cholesky(second)
        inverse = lower**-1
        excess = sorted(mp.eigsy(inverse * (first - second) * inverse.T, eigvals_only=True))
        middle = mp.eigsy(lower.T * first * lower, eigvals_only=True)
        bures2 = mp.fsum(first[i, i] + second[i, i] for i in range(3)) - 2 * mp.fsum(map(mp.sqrt, middle))
    assert sorted(shift.excess) == pytest.approx([float(e) for e in excess], rel=1e-6)
    assert shift.bures2 == pytest.approx(float(bures2), rel=1e-6)


def test_near_equal_variances_keep_their_digits():
    dense = np.array([[1.0, 3.0], [2.0, 7.0], [4.0, 8.0]])
    pruned = dense * (1 + 2.0**-30)
    found = diag(stream(dense), stream(pruned), 1.0, "same", pruned_cov="own")
    shift = shift_of(found, dense - pruned)
    ratio = 1 / (1 + 2.0**-30)
    assert shift.excess == pytest.approx((ratio - 1) * (ratio + 1), rel=1e-6)
    assert shift.bures2 == pytest.approx(3 * column_variances(dense).sum() * 2.0**-60, rel=1e-6)


def test_the_same_weights_have_one_scale():
    for found in (
        diag(stream(DENSE), stream(DENSE), 1.0, "same", pruned_cov="own"),
        rows(stream(DENSE), stream(DENSE), 1.0, "same", shrinkage="auto", pruned_cov="own"),
    ):
        shift = shift_of(found, 0 * DENSE)
        assert shift.one_scale
        assert shift.delta == shift.length == 0
        assert shift.bures2 == pytest.approx(0, abs=1e-25)


@pytest.mark.parametrize("size", [1e-200, 1e-160, 1e-30, 1e30, 1e160, 1e200])
def test_no_square_overflows_or_underflows(size):
    """Weights and scales far from 1 in float64: divergences depend on ratios alone."""
    difference = DENSE - PRUNED
    plain = np.linalg.norm(difference)
    assert identity(scale=size).shift(identity().distances(size * difference), 1.0, K, J).delta == pytest.approx(plain)
    estimated = {"diag": {"pruned_cov": "same"}, "rows": {"shrinkage": "auto", "pruned_cov": "same"}}
    for name, parameters in estimated.items():
        for cov in ("same", "own"):
            given = parameters | {"pruned_cov": cov}
            function = COVARIANCES.row(name).load()
            one = function(stream(DENSE), stream(PRUNED), 1.0, "same", **given)
            far = function(stream(size * DENSE), stream(size * PRUNED), 1.0, "same", **given)
            expected, found = shift_of(one, difference), shift_of(far, size * difference)
            assert found.distance == pytest.approx(expected.distance, rel=1e-9)
            assert found.excess == pytest.approx(expected.excess, rel=1e-9, abs=1e-12)


def test_columns_that_did_not_move():
    """Their squares are 0, beside columns whose squares overflow."""
    difference = np.array([[0.0, 1e200, 3.0, 1e-200], [0.0, 0.0, 4.0, 0.0]])
    found = diag(stream(DENSE), stream(PRUNED), 1.0, "same", pruned_cov="own")
    lengths = np.array([0.0, 1e200, 5.0, 1e-200]) / np.sqrt(column_variances(PRUNED))
    assert found.distances(difference) == pytest.approx(lengths, rel=1e-14)


def test_identity_needs_no_rows():
    found = identity(scale=2.0, pruned_scale="4")
    assert not found.by_rows
    assert found.distances(np.array([3.0, 4.0])) == found.distances(np.array([[3.0], [4.0]])) == [5.0]
    shift = found.shift(np.array([5.0]), 5.0, 3, 2)
    assert (shift.eigenvalues[0], shift.delta, shift.dim) == (pytest.approx(0.25, rel=1e-15), 1.25, 6)
    assert (shift.traces, shift.bures2) == ((24.0, 96.0), 24.0)


def test_distances_may_run_in_threads():
    dense, pruned = weights(12, 30)
    given = {"shrinkage": "auto", "pruned_cov": "same"}
    found = rows(stream(dense, 5), stream(pruned, 5), 1.0, "same", **given)
    difference = dense - pruned
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda i: found.distances(difference[i : i + 1]), list(range(12)) * 4))
    assert np.array(parts).reshape(4, 12).std(axis=0) == pytest.approx(np.zeros(12), abs=1e-12)
    assert np.hypot.reduce(parts[:12])[0] == pytest.approx(found.distances(difference)[0], rel=1e-12)


# ---- from files


def spd(size: int, seed: int = 0) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(size, 2 * size))
    return factor @ factor.T / size


@pytest.mark.parametrize("size", [J, K * J])
@pytest.mark.parametrize("two", [False, True])
def test_covariances_from_files(tmp_path, size, two):
    """Of a row or of the whole layer, from either kind of file."""
    first, second = spd(size), spd(size, 1) if two else spd(size)
    np.save(tmp_path / "c.npy", first)
    save_file({"covariance": second}, str(tmp_path / "d.safetensors"))
    path, other = str(tmp_path / "c.npy"), str(tmp_path / "d.safetensors")
    found = full(stream(DENSE), stream(PRUNED), 1.2, 0.9, path=path, pruned_path=other if two else "same")
    check(shift_of(found, DENSE - PRUNED, K), DENSE - PRUNED, first, second, (1.2, 0.9))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((J, J + 1)), r"its shape is \(4, 5\), expected \(4, 4\) or \(24, 24\)"),
        (np.ones((J, J)), "its matrix is not positive definite"),
        (-np.eye(J), "its matrix is not positive definite"),
        (np.zeros((J, J)), "its matrix is not positive definite"),
    ],
)
def test_matrices_that_are_refused(tmp_path, matrix, message):
    np.save(tmp_path / "c.npy", matrix)
    path = str(tmp_path / "c.npy")
    with pytest.raises(ValueError, match=message) as error:
        full(stream(DENSE), stream(PRUNED), 1.0, "same", path=path, pruned_path="same")
    assert str(error.value).startswith(f"cannot use {path}: ")
    np.save(tmp_path / "good.npy", np.eye(J))
    with pytest.raises(ValueError, match=message):
        full(stream(DENSE), stream(PRUNED), 1.0, "same", path=str(tmp_path / "good.npy"), pruned_path=path)


def test_covariances_from_files_have_a_path_and_one_size(tmp_path):
    with pytest.raises(ValueError, match=r"^needs a covariance: give path=FILE, a \.npy or a safetensors file$"):
        full(stream(DENSE), stream(PRUNED), 1.0, "same", path="", pruned_path="same")
    np.save(tmp_path / "row.npy", np.eye(J))
    np.save(tmp_path / "whole.npy", np.eye(K * J))
    paths = {"path": str(tmp_path / "row.npy"), "pruned_path": str(tmp_path / "whole.npy")}
    with pytest.raises(ValueError, match="24 rows and columns"):
        full(stream(DENSE), stream(PRUNED), 1.0, "same", **paths)


# ---- what is refused


@pytest.mark.parametrize("cov", ["same", "own"])
@pytest.mark.parametrize(
    "weight", [np.full((5, 3), 0.1), np.zeros((5, 3)), np.full((1, 7), 0.3), np.zeros((2, 9)), np.full((3, 50), 0.7)]
)
def test_layers_without_spread(weight, cov):
    """Equal rows have none to the last digit, whatever rounding does to their mean."""
    with pytest.raises(
        ValueError, match=r"^has no spread: its weights do not differ from row to row; use cov=identity"
    ):
        diag(stream(weight), stream(weight), 1.0, "same", pruned_cov=cov)
    with pytest.raises(ValueError, match=r"^has no spread: "):
        rows(stream(weight), stream(weight), 1.0, "same", shrinkage="auto", pruned_cov=cov)


def test_a_layer_that_was_pruned_away_has_no_spread_of_its_own():
    for function, given in ((diag, {}), (rows, {"shrinkage": "auto"})):
        with pytest.raises(ValueError, match="has no spread after pruning: "):
            function(stream(DENSE), stream(0 * DENSE), 1.0, "same", pruned_cov="own", **given)


def test_singular_row_covariances():
    two = np.random.default_rng(0).normal(size=(2, 5))  # two rows: the best shrinkage is none at all
    for weight, shrinkage in ((two, "auto"), (two, "0"), (weights(5, 5)[0], "0"), (np.tile(DENSE, 2)[:, : J + 1], "0")):
        for cov in ("same", "own"):
            with pytest.raises(ValueError, match="has a singular covariance of its rows: give shrinkage above 0"):
                rows(stream(weight), stream(weight), 1.0, "same", shrinkage=shrinkage, pruned_cov=cov)
    assert rows(stream(two), stream(two), 1.0, "same", shrinkage="0.1", pruned_cov="same").distances(two)[0] > 0


def test_empty_layers():
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="has no weights"):
            diag(stream(np.zeros(shape)), stream(np.zeros(shape)), 1.0, "same", pruned_cov="same")


def test_long_rows_of_two_covariances():
    long = Rows(lambda: iter(()), 3, 4097)
    with pytest.raises(ValueError, match=r"has rows of 4097 weights.*up to 4096: use pruned_cov=same, or cov=diag"):
        rows(long, long, 1.0, "same", shrinkage="auto", pruned_cov="own")
    with pytest.raises(ValueError, match="use one rho for both distributions"):
        ar1(long, long, 1.0, "same", rho=0.5, pruned_rho="0.4")
    assert ar1(long, long, 1.0, "same", rho=0.5, pruned_rho="0.5").by_rows


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (ar1, {"rho": 1.0, "pruned_rho": "same"}, "rho is 1: expected a correlation between -1 and 1"),
        (ar1, {"rho": -1.5, "pruned_rho": 0.2}, "rho is -1.5"),
        (ar1, {"rho": math.nan, "pruned_rho": "same"}, "rho is nan"),
        (ar1, {"rho": 0.5, "pruned_rho": "-1"}, "pruned_rho is -1"),
        (ar1, {"rho": 0.5, "pruned_rho": "half"}, "pruned_rho is 'half': expected same or a number"),
        (ar1, {"rho": 0.5, "pruned_rho": str(1 - 2**-52)}, "choose correlations further from -1 and 1"),
        (diag, {"pruned_cov": "pruned"}, "pruned_cov is 'pruned': expected same or own"),
        (rows, {"shrinkage": "1.1", "pruned_cov": "same"}, "shrinkage is '1.1': expected auto or a number"),
        (rows, {"shrinkage": "nan", "pruned_cov": "same"}, "shrinkage is 'nan'"),
        (rows, {"shrinkage": "some", "pruned_cov": "same"}, "shrinkage is 'some'"),
        (identity, {"scale": 0.0}, "scale is 0: expected a positive standard deviation"),
        (identity, {"scale": math.inf}, "scale is inf"),
        (identity, {"scale": math.nan}, "scale is nan"),
        (identity, {"pruned_scale": "-1"}, "pruned_scale is -1"),
        (identity, {"pruned_scale": "wide"}, "pruned_scale is 'wide': expected same or a number"),
    ],
)
def test_parameters_that_are_refused(function, given, message):
    law = {"scale": 1.0, "pruned_scale": "same"} | given
    with pytest.raises(ValueError, match=message):
        function(stream(DENSE), stream(PRUNED), **law)
