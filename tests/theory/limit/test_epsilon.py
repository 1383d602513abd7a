"""Rules for the rise of the loss that is allowed."""

import numpy as np
import pytest

from apcli.theory.limit.epsilon import allowed

LOSSES = np.array([0.1, 0.2, 0.4, 0.5])


@pytest.mark.parametrize(
    "rule, eps",
    [
        ("std", np.sqrt(0.025 / 128)),
        ("std-1", np.sqrt(0.025)),
        ("std-64", np.sqrt(0.025 / 64)),
        ("abs-0.05", 0.05),
        ("rel-0.01", 0.003),
    ],
)
def test_eps_of_a_rule(rule, eps):
    assert allowed(rule, LOSSES) == pytest.approx(eps, rel=1e-14)


def test_the_deviation_of_batch_means():
    """What 20,000 batches of 16 show."""
    draw = np.random.default_rng(0)
    losses = draw.exponential(size=20000)
    means = draw.choice(losses, (20000, 16)).mean(axis=1)
    assert allowed("std-16", losses) == pytest.approx(means.std(), rel=0.02)


@pytest.mark.parametrize("rule", ["", "var", "std-", "std-0", "std-x", "abs", "abs-", "abs--1", "rel-nan", "rel-inf"])
def test_other_rules_are_refused(rule):
    with pytest.raises(ValueError, match=r"^the rule for eps is .*: expected std, std-BATCH, abs-X or rel-X"):
        allowed(rule, LOSSES)


@pytest.mark.parametrize("rule, losses", [("std", [0.5, 0.5]), ("rel-0.1", [0, 0]), ("std", [0.1, np.inf])])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_losses_that_give_none_are_refused(rule, losses):
    with pytest.raises(ValueError, match=r"^eps is .* by the rule"):
        allowed(rule, np.array(losses))
