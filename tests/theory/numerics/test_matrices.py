"""Lengths against more digits, factors against NumPy, and files of matrices."""

import math

import numpy as np
import pytest
from safetensors.numpy import save_file

from apcli.theory.numerics.matrices import cholesky, column_lengths, euclidean, matrix_of


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1.0, 1e30, 1e200, 1e300])
def test_lengths_neither_overflow_nor_underflow(scale):
    assert euclidean(np.array([3.0, 0.0, -4.0]) * scale) == pytest.approx(5 * scale, rel=1e-15)


def test_no_length_at_all():
    assert euclidean(np.zeros(4)) == euclidean(np.zeros(0)) == 0
    assert euclidean(np.array([1.0, math.inf])) == math.inf


def test_every_column_has_its_own_length():
    """Also those whose squares overflow or underflow, beside others."""
    matrix = np.array([[3e200, 0.0, 3.0, 3e-200, 1.0], [-4e200, 0.0, 4.0, 4e-200, math.inf]])
    assert column_lengths(matrix) == pytest.approx([5e200, 0.0, 5.0, 5e-200, math.inf], rel=1e-15)
    assert column_lengths(np.zeros((3, 0))).shape == (0,)


def spd(size: int) -> np.ndarray:
    factor = np.random.default_rng(size).normal(size=(size, 2 * size))
    return factor @ factor.T / size


def test_cholesky_is_the_lower_factor():
    matrix = spd(5)
    lower = cholesky(matrix, "singular")
    assert lower == pytest.approx(np.linalg.cholesky(matrix), rel=1e-13, abs=1e-15)
    assert np.array_equal(lower, np.tril(lower))


@pytest.mark.parametrize(
    "matrix", [np.zeros((2, 2)), np.ones((3, 3)), np.diag([1.0, -1.0]), np.diag([1.0, 1e-17]), np.diag([1e200, 1e180])]
)
def test_a_matrix_singular_to_working_precision_has_no_factor(matrix):
    with pytest.raises(ValueError, match="as the caller says"):
        cholesky(matrix, "as the caller says")


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int64])
def test_a_matrix_comes_from_either_kind_of_file(tmp_path, kind):
    matrix = np.array([[4, 1], [1, 2]], kind)
    np.save(tmp_path / "c.npy", matrix)
    save_file({"any name": matrix}, str(tmp_path / "c.safetensors"))
    for name in ("c.npy", "c.safetensors"):
        found = matrix_of(str(tmp_path / name), 3, 2)
        assert found.dtype == np.float64
        assert np.array_equal(found, matrix)


def test_a_matrix_from_float32_is_made_symmetric_to_the_bit(tmp_path):
    matrix = spd(4).astype(np.float32)
    matrix[0, 1] *= 1 + 3e-7
    np.save(tmp_path / "c.npy", matrix)
    found = matrix_of(str(tmp_path / "c.npy"), 4)
    assert np.array_equal(found, found.T)
    assert found[0, 1] == (float(matrix[0, 1]) + float(matrix[1, 0])) / 2


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((4, 5)), r"its shape is \(4, 5\), expected \(4, 4\) or \(24, 24\)"),
        (np.ones(4), "its shape is"),
        (np.eye(5), r"its shape is \(5, 5\)"),
        (np.triu(np.ones((4, 4))), "its matrix is not symmetric"),
        (np.full((4, 4), np.nan), "it holds NaN or Inf"),
        (np.eye(4) * 1j, "Cannot cast"),
        (np.full((4, 4), "1"), "Cannot cast"),
    ],
)
def test_matrices_that_are_refused(tmp_path, matrix, message):
    np.save(tmp_path / "c.npy", matrix)
    path = str(tmp_path / "c.npy")
    with pytest.raises(ValueError, match=message) as error:
        matrix_of(path, 4, 24)
    assert str(error.value).startswith(f"cannot use {path}: ")


def test_files_that_are_refused(tmp_path):
    def refused(name: str) -> str:
        with pytest.raises(ValueError, match="cannot use") as error:
            matrix_of(str(tmp_path / name), 4)
        return str(error.value)

    (tmp_path / "text.npy").write_text("1 2 3 4")
    (tmp_path / "empty.npy").touch()
    (tmp_path / "text.safetensors").write_text("no header in here")
    (tmp_path / "folder.npy").mkdir()
    save_file({"a": np.eye(4), "b": np.eye(4)}, str(tmp_path / "two.safetensors"))
    assert "No such file" in refused("nowhere.npy")
    assert "No such file" in refused("nowhere.safetensors")
    assert "magic string" in refused("text.npy")
    assert "it holds 2 tensors: expected one" in refused("two.safetensors")
    assert "header" in refused("text.safetensors")
    assert "directory" in refused("folder.npy")
    assert refused("empty.npy")
