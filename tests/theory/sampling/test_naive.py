"""Whole vectors drawn with Pyro, as published, against exact values and the other estimator."""

import math

import pytest
import torch
from pairs import estimate, product, shift, student, z_score

from apcli.theory import MEASURES, measures
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.student_t import StudentTPair
from apcli.theory.sampling import monte_carlo, naive

PAIRS = {
    "student-t": student(1.0, 4.0, 20),
    "different": StudentTPair(shift([2.0, 0.5], [1.0, 0.3], [3, 2]), 4.0, 6.0),
    "student-t and gaussian": StudentTPair(shift([1.2, 0.5], [1.0, 0.3], [3, 2]), math.inf, 6.0),
    "gaussian": GaussianPair(shift([2.0, 0.5], [1.0, 0.3], [3, 2])),
    "laplace": product("laplace", [0.3, 1.0, 2.0], 1.0, 2.0, dim=5),
    "cauchy": product("cauchy", [0.3, 1.0, 2.0], 1.0, 2.0, dim=5),
}


@pytest.mark.parametrize("name", PAIRS)
def test_whole_vectors_meet_the_exact_value(name):
    state = torch.random.get_rng_state()
    for measure in ("kl", "reverse-kl"):
        found = estimate(PAIRS[name], measure, samples=10_000, seed=1, how=naive.estimate)
        assert abs(z_score(found, measures.exact(PAIRS[name], MEASURES.parse(measure)))) < 4
    assert torch.equal(torch.random.get_rng_state(), state)
    assert estimate(PAIRS[name], "kl", 100, how=naive.estimate) == estimate(PAIRS[name], "kl", 100, how=naive.estimate)


@pytest.mark.parametrize("measure", ["tv", "js", "renyi:alpha=0.3"])
def test_whole_vectors_meet_the_scalars(measure):
    whole, scalars = (estimate(PAIRS["different"], measure, 20_000, how=m.estimate) for m in (naive, monte_carlo))
    assert abs(whole.value - scalars.value) < 4 * math.hypot(whole.std_error, scalars.std_error)


def test_whole_vectors_have_no_antithetic_partners():
    assert estimate(student(0.01, 4.0, 20), samples=5000, how=naive.estimate).std_error > 1e-4


def test_a_scale_matrix_too_large_is_refused():
    with pytest.raises(ValueError, match=r"groups=100.*--estimator mc"):
        estimate(student(1.0, 4.0, 20_480), how=naive.estimate)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_draws_on_a_gpu_leave_its_generator():
    state, pair = torch.cuda.get_rng_state(), PAIRS["student-t"]
    assert abs(z_score(naive.estimate(pair, MEASURES.parse("kl"), 10_000, 1, 0, "cuda"), pair.kl())) < 4
    assert torch.equal(torch.cuda.get_rng_state(), state)
