"""Certificates from samples: their values, and how often they are wrong."""

import numpy as np
import pytest
from scipy import stats

from apcli.probes.outputs import Outputs
from apcli.stages.bounds.certificate.samples import drawn_from, statements


def outputs(differ, losses=None):
    """Two networks of two classes: the first predicts class 0; the other class 1 where they differ."""
    differ = np.asarray(differ)
    dense = np.stack([np.ones(len(differ)), np.zeros(len(differ))], axis=1)
    pruned = np.where(differ[:, None], dense[:, ::-1], dense)
    labels = np.zeros(len(differ), dtype=np.int64)
    return Outputs(dense, labels), Outputs(pruned, labels)


def of_losses(differences):
    """Two networks whose losses differ by so much: log 2 beside log(1 + e^z) for the label's logit 0."""
    zeros = np.zeros((len(differences), 2))
    other = zeros.copy()
    other[:, 1] = np.log(np.expm1(np.log(2) + np.asarray(differences)))
    labels = np.zeros(len(differences), dtype=np.int64)
    return Outputs(zeros, labels), Outputs(other, labels)


def stated(pair, beta=0.05, tau=0.0, largest=0.0, split="test"):
    return {bound.statement: bound for bound in statements(*pair, drawn_from(split), beta, tau, largest)}


@pytest.mark.parametrize(("n", "k", "beta", "value"), [
    (1000, 0, 0.01, 0.004594582648473), (1000, 3, 0.01, 0.010009791991708), (10000, 5, 0.001, 0.001644532344645),
])  # fmt: skip
def test_s2_has_the_specified_values(n, k, beta, value):
    found = stated(outputs(np.arange(n) < k), beta, tau=0.5)
    for name in ("S2, classes", "S2, logits"):
        assert found[name].value == pytest.approx(value, rel=1e-10)
        assert (found[name].measured, found[name].standing) == (k / n, "proven")
        assert found[name].verdict == "by construction"
    assert found["S2, classes"].assumptions[0].holds is None, "whether they are draws is not known"
    assert stated(outputs(np.arange(n) < k), beta, tau=1.0)["S2, logits"].measured == 0, "none differs by more than 1"
    assert "S2, logits" not in stated(outputs(np.arange(n) < k), beta)
    assert stated(outputs([True, True]))["S2, classes"].verdict == "vacuous"


def test_images_that_were_trained_on_are_no_draws():
    found = stated(outputs(np.arange(100) < 3), split="train")
    assert {bound.verdict for bound in found.values()} == {"assumption fails"}
    assert "to which the networks were fitted" in found["S2, classes"].assumptions[0].reason


def test_s2_is_wrong_as_seldom_as_it_says():
    draw = np.random.default_rng(0)
    for rate in (0.003, 0.05, 0.5):
        wrong = sum(stated(outputs(draw.random(200) < rate), 0.1)["S2, classes"].value < rate for _ in range(500))
        assert wrong <= stats.binom.ppf(0.9999, 500, 0.1)


def test_s3_has_the_specified_value_on_each_side():
    differences = [0.48, 0.52] * 250
    found = stated(of_losses(differences), 0.02, largest=1.0)
    variance = np.var(differences, ddof=1)
    log = np.log(2 / 0.01)
    width = np.sqrt(2 * variance * log / 500) + 7 * log / (3 * 499)
    assert found["S3, upper"].value == pytest.approx(0.5 + width)
    assert found["S3, lower"].value == pytest.approx(0.5 - width)
    assert (found["S3, upper"].side, found["S3, lower"].side) == ("upper", "lower")
    assert {found[name].standing for name in ("S3, upper", "S3, lower")} == {"proven"}


def test_s3_of_a_mean_is_wrong_as_seldom_as_it_says():
    """Both sides together; of values that are mostly small, which make the variance hard to see."""
    draw = np.random.default_rng(1)
    wrong = 0
    for _ in range(500):
        found = stated(of_losses(draw.beta(0.2, 3.0, 150)), 0.2, largest=1.0)
        wrong += not found["S3, lower"].value <= 0.2 / 3.2 <= found["S3, upper"].value
    assert wrong <= stats.binom.ppf(0.9999, 500, 0.2)


def test_without_a_given_b_it_is_an_estimate_and_with_one_values_are_clipped():
    differences = np.linspace(0, 2, 400)
    seen = stated(of_losses(differences))["S3, upper"]
    assert seen.standing == "estimate"
    assert [one.name for one in seen.assumptions][1] == "no |loss difference| is larger than b"
    assert next(c for c in seen.constants if c.name == "b").value == pytest.approx(2)
    clipped = stated(of_losses(differences), largest=0.5)["S3, upper"]
    assert clipped.measured == pytest.approx(np.minimum(differences, 0.5).mean())
    assert "each at most 0.5" in clipped.quantity


def test_equal_networks_and_a_single_image():
    same, _ = outputs([False] * 50)
    found = stated((same, same))
    assert found["S2, classes"].value == pytest.approx(1 - 0.05 ** (1 / 50))
    assert found["S3, upper"].value == found["S3, lower"].value == 0
    assert set(stated(outputs([False]))) == {"S2, classes"}
