"""Log-probabilities of networks."""

import numpy as np
import pytest
import torch
from torch import nn

from apcli.errors import ApcliError
from apcli.probes.predictions import log_probabilities, predictive


def test_they_are_the_log_softmax_of_the_evaluated_network(case, unchanged):
    check = unchanged(case.model)
    found = log_probabilities(case.model, case.batches())
    check()
    output = case.model.eval()(case.images)
    logits = (output[0] if isinstance(output, tuple) else output).detach().numpy()
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    np.testing.assert_allclose(log_probabilities(case.model, case.batches(7)), found, rtol=1e-11)


def test_the_softmax_of_single_precision_logits_is_in_double_precision():
    logits = torch.tensor([[0.0, 60.0, 1e-4], [3e38, -3e38, 0.0]])
    found = log_probabilities(nn.Identity(), lambda: iter([(logits, torch.zeros(2))]))
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-15)
    assert found[0, 1] == pytest.approx(-2 * np.exp(-60), rel=1e-3, abs=1e-15)
    assert found[0, 2] - found[0, 0] == pytest.approx(1e-4, rel=1e-7)
    assert found[1, 2] == -float(np.float32(3e38))


def test_a_network_against_itself_and_another(made):
    case, other = made("linear"), made("linear")
    other.model[1].weight.data[0] = 0
    tables = [log_probabilities(each.model, case.batches()) for each in (case, other)]
    assert predictive(tables[0], tables[0]).kl() == 0
    p, q = (torch.distributions.Categorical(logits=torch.from_numpy(table)) for table in tables)
    expected = float(torch.distributions.kl_divergence(p, q).mean())
    assert predictive(*tables).kl() == pytest.approx(expected, rel=1e-12)
    assert predictive(*tables).dim == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_refused(made, bad, unchanged):
    case = made("linear")
    case.model[3].weight.data[1, 1] = bad
    check = unchanged(nn.Sequential(case.model[0], case.model[1]))
    with pytest.raises(ApcliError, match=r"NaN or Inf for 3 of 3 images of a batch: expected finite logits"):
        log_probabilities(case.model, case.batches())
    check()


@pytest.mark.parametrize("output", [torch.zeros(2, 1), torch.zeros(2, 3, 4), torch.zeros(2), {"logits": 0}])
def test_outputs_that_are_no_logits_are_refused(output):
    with pytest.raises(ApcliError, match=r"expected logits \[images, 2 or more classes\]"):
        log_probabilities(nn.Identity(), lambda: iter([(output, torch.zeros(2))]))


def test_networks_of_different_classes_do_not_compare():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 4\)"):
        predictive(np.log(np.full((2, 3), 1 / 3)), np.log(np.full((2, 4), 1 / 4)))
