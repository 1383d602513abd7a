"""Pairs of distributions for the tests of sampling, and how far an estimate is from a value."""

import numpy as np

from apcli.theory import MEASURES
from apcli.theory.distributions import products
from apcli.theory.distributions.products import ProductPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair
from apcli.theory.sampling import monte_carlo
from apcli.theory.sampling.functionals import Estimate


def estimate(pair, measure="kl", samples=40_000, repeats=1, seed=0, how=monte_carlo.estimate) -> Estimate:
    return how(pair, MEASURES.parse(measure), samples=samples, repeats=repeats, seed=seed, device="cpu")


def z_score(found: Estimate, value: float) -> float:
    """How many standard errors the estimate is above a value."""
    assert found.std_error > 0
    return (found.value - value) / found.std_error


def shift(eigenvalues, distances, multiplicity=None) -> Shift:
    """What two elliptical distributions differ by: relative eigenvalues, and the shift along their axes."""
    with np.errstate(divide="ignore"):  # an eigenvalue 0
        logs = np.log(np.array(eigenvalues))
    distance = np.abs(np.array(distances, dtype=float))
    ones = np.ones(len(distance), dtype=int) if multiplicity is None else np.array(multiplicity)
    return Shift(logs, ones, distance, float(np.linalg.norm(distance)))


def student(delta, df, dim) -> StudentTPair:
    """Two Student-t distributions of one scale and df."""
    return StudentTPair(Shift.of_one_scale(delta, dim), df, df)


def product(family, differences, scale=1.0, pruned_scale=1.0, dim=None) -> ProductPair:
    """Independent weights that differ so, and others that do not up to ``dim``, kept for drawing."""
    reduction = getattr(products, family)(scale=scale, pruned_scale=pruned_scale).reduction(
        MEASURES.parse_list("kl,jeffreys,renyi,renyi:alpha=0.3"), keep=True
    )
    every = np.array(list(differences) + [0.0] * ((dim or len(differences)) - len(differences)))
    reduction.absorb(reduction.reduce(0, every))
    return reduction.pair()
