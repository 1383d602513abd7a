import numpy as np
import pytest

from apcli.projections import COVARIANCES, DISTRIBUTIONS, LAYER_LOCAL, PREDICTIVE, SECOND_ORDER, caveats
from apcli.projections.caveats import of_projection, same_order


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gaussian", caveats.SAME_ORDER),
        ("gaussian:scale=0.1", caveats.SAME_ORDER),
        ("gaussian:scale=0.1:pruned_scale=0.1", caveats.SAME_ORDER),
        ("gaussian:pruned_scale=2", caveats.SAME_ORDER_FIXED),
        ("gaussian:groups=100", caveats.SAME_ORDER_GROUPED),
        ("gaussian:groups=100:pruned_scale=2", caveats.SAME_ORDER_FIXED_GROUPED),
        ("student-t", caveats.SAME_ORDER),
        ("student-t:df=inf:pruned_df=inf", caveats.SAME_ORDER),
        ("student-t:pruned_df=7", caveats.SAME_ORDER_FIXED),
        ("gaussian:cov=diag", None),
        ("student-t:cov=ar1", None),
        ("laplace", None),
        ("cauchy", None),
        ("ap2", None),
        ("predictive", None),
    ],
)
def test_same_order(spec, words):
    choice = DISTRIBUTIONS.parse(spec)
    assert same_order(choice.name, choice.parameters) == words


def test_older_records_lack_parameters():
    assert same_order("gaussian", {}) == caveats.SAME_ORDER
    assert same_order("student-t", {"df": 4, "scale": 1.0, "groups": 0}) == caveats.SAME_ORDER


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("gaussian", [caveats.SAME_ORDER]),
        ("gaussian:cov=activation", [LAYER_LOCAL]),
        ("student-t:cov=gauss-newton", [SECOND_ORDER]),
        ("gaussian:cov=fisher", [SECOND_ORDER]),
        ("gaussian:cov=rows", []),
        ("predictive", [PREDICTIVE]),
        ("ap2", []),
    ],
)
def test_what_is_said_of_a_projection(spec, said):
    choice = DISTRIBUTIONS.parse(spec)
    assert of_projection(choice.name, choice.parameters) == said


def test_every_covariance_from_data_has_its_caveat():
    assert all(of_projection("gaussian", {"cov": row.name}) for row in COVARIANCES if "data" in row.needs)


@pytest.mark.parametrize(
    "divergence",
    [
        lambda p, q: p * np.log(p / q),
        lambda p, q: q * np.log(q / p),
        lambda p, q: -(p**0.3) * q**0.7,
        lambda p, q: p**2 / q,
        lambda p, q: abs(p - q) / 2,
        lambda p, q: p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)),
    ],
    ids=["kl", "reverse-kl", "renyi", "renyi-2", "tv", "js"],
)
@pytest.mark.parametrize("dimensions", [1, 2])
def test_fixed_isotropic_laws_drift_apart_with_distance_alone(divergence, dimensions):
    """Student-t laws of other df and scale: what ``same_order`` claims, by brute quadrature over a line and a plane."""
    line = np.linspace(-60, 60, 6001 if dimensions == 1 else 301)
    beside = np.zeros(1) if dimensions == 1 else line
    x, y = np.meshgrid(line, beside)

    def law(df, scale, shift):
        power = -(df + dimensions) / 2
        density = (1 + ((x - shift) ** 2 + y**2) / (df * scale**2)) ** power
        return density / density.sum()

    found = [divergence(law(3.0, 1.0, 0.0), law(5.0, 1.7, shift)).sum() for shift in (0, 0.2, 0.6, 1.4, 3, 8)]
    assert np.all(np.diff(found) > 0)
