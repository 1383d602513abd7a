"""Verdicts of assumptions, and that the objections are called by name."""

from apcli.stages.bounds.ap3.assumptions import below_2, no_gradient, no_remainder, nothing_else, only


def test_pinskers_limit():
    assert below_2(1.9).holds
    assert below_2(2.0).holds is False


def test_what_differs_is_named():
    assert only("fc", (), "W4: a reason").holds
    other = only("fc", ("conv.weight",), "W4: a reason")
    assert (other.holds, other.reason) == (False, "beside fc conv.weight differs too (W4: a reason)")
    assert "conv.weight and bn.bias differ too" in only("fc", ("conv.weight", "bn.bias"), "W4").reason


def test_w14_is_named_where_biases_or_statistics_moved():
    assert nothing_else((), False).holds
    assert nothing_else(("bn.running_mean",), True).reason.startswith("bn.running_mean differs too (W14")
    assert "W14" not in nothing_else(("conv.weight",), False).reason


def test_w5_a_gradient_counts_where_its_term_is_not_negligible():
    assert no_gradient(3.0, 0.0, 0.0).reason == "it is 0; the gradient's length is 3"
    assert no_gradient(None, 0.0, 0.0).reason == "it is 0"
    assert no_gradient(3.0, 0.0, 0.0).holds
    assert no_gradient(3.0, 0.009, 1.0).holds
    failing = no_gradient(3.0, -0.5, 1.0)
    assert failing.holds is False
    assert "it is 0.5, 0.5 times" in failing.reason
    assert "W5" in failing.reason
    assert no_gradient(3.0, 0.1, 0.0).holds is False


def test_a_remainder_is_judged_as_far_as_losses_are_known():
    assert no_remainder(None, 1.0, 0.0).holds is None
    assert no_remainder(0.0, 0.0, 0.0).holds
    assert no_remainder(-0.005, 1.0, 1e-6).holds
    assert no_remainder(0.5, 1.0, 1e-6).holds is False
    assert no_remainder(1e-9, 1e-8, 1e-6).holds is None
