"""Bounds of AP2, AP3 and total variation by each other, against reference values, and W1."""

import math
from itertools import pairwise

import numpy as np
import pytest
from measured_pairs import by_statement, latents_of, measured
from safetensors.numpy import save_file

from apcli.errors import UsageError
from apcli.stages.bounds.ap3.weights import statements
from apcli.theory.distributions import student_t

STRENGTHS = ("", ", direct", ", projected", ", best line")  # of Lemma 1, ascending
D = np.array([[0.1, -0.2, 0.3], [0, 0, 0]])


@pytest.fixture
def pair(tmp_path):
    def of(difference, other=None):
        """Files whose layer ``a`` differs by this, and whose layer ``b`` differs by ``other``."""
        shift = {"a.weight": difference, "b.weight": np.zeros((2, 3)) if other is None else other}
        for name, factor in (("dense", 1.0), ("pruned", 0.0)):
            tensors = {key: factor * np.asarray(d, np.float64) for key, d in shift.items()}
            save_file(tensors, tmp_path / f"{name}.safetensors")
        return measured(tmp_path / "dense.safetensors", tmp_path / "pruned.safetensors")

    return of


def stated(pair, scale, df, cov="identity", **given):
    return list(statements(pair.weights, latents_of(pair, scale, cov, **given), df))


def test_gaussian_values(pair):
    """|D|^2 = 0.14: AP3 is 0.07 for S = I; corollary 1 in 6 dimensions has C = 24."""
    found = by_statement(stated(pair(D), 1.0, 4.0), "a")
    t = math.sqrt(0.07 / 2)
    values = {
        "equation 4": 0.07, "equation 5": 0.14, "corollary 1": 24 * t / (1 - t),
        "lemma 1, best line": 0.14 / 4.14, "definition 3 (Pinsker)": t,
    }  # fmt: skip
    for name, value in values.items():
        if "lemma" not in name and "definition" not in name:
            assert found[name].value == pytest.approx(value, rel=1e-12), name
    assert found["equation 4"].measured == pytest.approx(0.07)
    assert found["corollary 1"].slack == pytest.approx(24 * t / (1 - t) / 0.14)
    own = {name for name, bound in found.items() if bound.verdict == "by construction"}
    assert own == {"equation 4", "equation 5", "AP2 from AP3, Student-t"}, "AP3 of one scale is a function of AP2"
    assert {bound.verdict for name, bound in found.items() if name not in own} == {"holds"}


def test_statements_about_each_layer_and_all_of_them(pair):
    other = np.array([[1.0, 2.0, 0.0], [0, 0, 0]])
    found = stated(pair(D, other), 2.0, 4.0)
    assert {one.layer for one in found} == {"a", "b", "*"}
    pooled = by_statement(found)
    assert pooled["equation 5"].measured == pytest.approx(5.14)
    assert pooled["equation 4"].measured == pytest.approx(5.14 / 8)
    student = pooled["AP3 from AP2, Student-t"]
    assert student.measured == pytest.approx(student_t.kl(math.sqrt(5.14) / 2, 4.0, 12))
    assert student.measured < student.value == pytest.approx(16 / 18 * 5.14 / 8)
    assert pooled["AP2 from AP3, Student-t"].value == pytest.approx(5.14, rel=1e-9)


def test_w1_ap3_holds_with_a_small_eps_where_ap2_does_not(pair):
    """S = 10 I and |D| = 1: AP3 is 0.05 nats while AP2 is 1, so eigenvalues of 1 and more are the wrong way round."""
    found = by_statement(stated(pair(np.array([[1.0, 0, 0], [0, 0, 0]])), math.sqrt(10), 4.0), "a")
    assert found["equation 4"].measured == pytest.approx(0.05)
    assert found["equation 5"].measured == 1
    assert found["equation 5"].value == pytest.approx(1.0), "the exact bound knows the scale"


def test_beyond_2_nats_corollary_1_does_not_apply_and_equation_5_does(pair):
    found = by_statement(stated(pair(np.array([[3.0, 0, 0], [0, 0, 0]])), 1.0, 4.0), "a")
    assert found["corollary 1"].verdict == "assumption fails"
    assert "AP3 is 4.5" in found["corollary 1"].assumptions[0].reason
    assert found["equation 5"].holds
    assert found["corollary 1 by Bretagnolle-Huber"].verdict == "holds"
    assert found["definition 3 (Pinsker)"].verdict == "vacuous", "total variation is at most 1"
    assert found["Bretagnolle-Huber"].verdict == "holds"


def test_without_covariance_lemma_1_is_not_stated(pair):
    found = stated(pair(D), 1.0, 2.0)
    assert not any("Student-t, df" in one.bound.quantity and "variation" in one.bound.quantity for one in found)


def test_no_difference_breaks_nothing(pair):
    assert {one.bound.verdict for one in stated(pair(np.zeros((2, 3))), 1.0, 4.0)} == {"holds", "by construction"}


def test_every_bound_bounds(pair, tmp_path):
    draw = np.random.default_rng(1)
    for _ in range(30):
        scale, df = draw.uniform(0.1, 5), draw.uniform(0.5, 20)
        difference = draw.normal(size=(2, 3)) * 10.0 ** draw.uniform(-6, 1)
        files = pair(difference, draw.normal(size=(2, 3)))
        for cov in ({}, {"cov": "diag"}, {"cov": "ar1", "rho": 0.7}, {"cov": "rows", "shrinkage": "0.5"}):
            found = stated(files, scale, df, **cov)
            assert {one.bound.verdict for one in found} <= {"holds", "by construction", "vacuous", "assumption fails"}
            assert ("by construction" in {one.bound.verdict for one in found}) == (not cov)
            assert all(one.bound.holds for one in found), cov
            strengths = [by_statement(found)[f"lemma 1{each}"].value for each in STRENGTHS]
            assert all(low <= high * (1 + 1e-9) for low, high in pairwise(strengths)), cov


def test_three_eigenvalues_have_the_specified_values(tmp_path):
    """S = diag(1, 2, 4) and D = (0.1, -0.2, 0.3): all four strengths of Lemma 1, and equations 4 and 5."""
    np.save(tmp_path / "c.npy", np.diag([1.0, 2.0, 4.0]))
    for name, factor in (("dense", 1.0), ("pruned", 0.0)):
        save_file({"a.weight": factor * D[:1]}, tmp_path / f"{name}.safetensors")
    files = measured(tmp_path / "dense.safetensors", tmp_path / "pruned.safetensors", layers="a")
    found = by_statement(stated(files, 1.0, 4.0, cov="full", path=str(tmp_path / "c.npy")), "a")
    values = {
        "lemma 1": 0.0049751243781095, "lemma 1, direct": 0.0049751243781095, "lemma 1, projected": 0.01077159815344,
        "lemma 1, best line": 0.012954966070327, "equation 4": 0.07, "equation 5": 0.21,
    }  # fmt: skip
    for name, value in values.items():
        assert found[name].value == pytest.approx(value, rel=1e-12), name
    assert found["lemma 1"].measured == pytest.approx(0.091209595407709, rel=1e-12)
    assert found["equation 4"].measured == pytest.approx(0.02625, rel=1e-12)
    assert {bound.verdict for bound in found.values()} == {"holds"}
    assert found["equation 4"].quantity.startswith("AP3 (Gaussian, cov=full:path=")


def test_a_covariance_that_does_not_suit_a_layer_is_refused(pair):
    files = pair(D, np.ones((2, 3)))
    with pytest.raises(UsageError, match=r"ap3:cov=diag: layer b has no spread: .*; or give --exclude b"):
        stated(files, 1.0, 4.0, cov="diag")
