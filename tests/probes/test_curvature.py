"""Curvature metrics against explicit gradients, explicit Jacobians, and the predictions' own second-order change."""

import weakref

import numpy as np
import pytest
import torch
from odd_layers import Odd
from torch import nn

from apcli.errors import ApcliError
from apcli.probes import curvature
from apcli.probes.curvature import fisher, gauss_newton
from apcli.probes.predictions import log_probabilities, predictive


def samples(case):
    """Each sample's logits [C] and their Jacobian by tensor name [C, *shape]: one autograd call for each class."""
    case.model.eval()
    parameters = [case.model.get_parameter(name) for name in case.tensors]
    for image in case.images:
        output = case.model(image[None])
        logits = (output[0] if isinstance(output, tuple) else output)[0]
        rows = [torch.autograd.grad(logits[c], parameters, retain_graph=True) for c in range(len(logits))]
        yield (
            logits.detach(),
            {name: torch.stack(row) for name, row in zip(case.tensors, zip(*rows, strict=True), strict=True)},
        )


def explicit_fisher(case, labels):
    """Sample by sample and class by class, squared gradients of log-probabilities."""
    total = {name: torch.zeros_like(case.model.get_parameter(name)) for name in case.tensors}
    case.model.eval()
    parameters = [case.model.get_parameter(name) for name in case.tensors]
    for image, label in zip(case.images, case.labels, strict=True):
        output = case.model(image[None])
        log_p = (output[0] if isinstance(output, tuple) else output)[0].log_softmax(0)
        weights = log_p.detach().exp() if labels == "model" else torch.eye(len(log_p))[label]
        for c, weight in enumerate(weights):
            gradients = torch.autograd.grad(log_p[c], parameters, retain_graph=True)
            for name, gradient in zip(case.tensors, gradients, strict=True):
                total[name] += weight * gradient**2 / len(case.images)
    return {name: value.detach().numpy() for name, value in total.items()}


def explicit_gauss_newton(case, difference):
    total = 0.0
    for logits, jacobian in samples(case):
        p = logits.softmax(0)
        matrix = torch.diag(p) - torch.outer(p, p)
        moved = sum((jacobian[name].flatten(1) @ torch.from_numpy(d).flatten()) for name, d in difference.items())
        total += float(moved @ matrix @ moved) / len(case.images)
    return total


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["model", "data"])
def test_fisher_is_the_mean_square_of_explicit_gradients(case, labels, unchanged):
    check = unchanged(case.model)
    metric = fisher(case.model, case.tensors, case.batches(), labels=labels, damping=0.01)
    check()
    expected = explicit_fisher(case, labels)
    assert set(metric.diagonal) == set(expected)
    for name, diagonal in metric.diagonal.items():
        np.testing.assert_allclose(diagonal, expected[name], rtol=1e-11, atol=1e-17)
    difference = case.difference()
    squared = sum(float(np.sum((expected[name] + 0.01) * d * d)) for name, d in difference.items())
    assert metric.squared(difference) == pytest.approx(squared, rel=1e-12)
    one = dict([next(iter(difference.items()))])
    assert 0 < metric.squared(one) < squared


def test_fisher_over_the_networks_own_labels_is_the_diagonal_of_gauss_newton(made):
    case = made("residual")
    diagonal = fisher(case.model, case.tensors, case.batches(), labels="model", damping=0).diagonal
    metric = gauss_newton(case.model, case.tensors, case.batches(), damping=0)
    for name, index in [("stem.weight", (1, 0, 2, 1)), ("twice.weight", (3, 2, 0, 0)), ("fc.weight", (2, 3))]:
        unit = np.zeros_like(diagonal[name])
        unit[index] = 1
        assert metric.squared({name: unit}) == pytest.approx(diagonal[name][index], rel=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["model", "data"])
def test_how_much_is_done_at_once_changes_nothing(case, monkeypatch, labels):
    expected = fisher(case.model, case.tensors, case.batches(), labels=labels, damping=0).diagonal
    for block in (1, 200, 2000):
        monkeypatch.setattr(curvature, "_BLOCK", block)
        found = fisher(case.model, case.tensors, case.batches(5), labels=labels, damping=0).diagonal
        for name, diagonal in found.items():
            np.testing.assert_allclose(diagonal, expected[name], rtol=1e-11, atol=1e-17, err_msg=f"{name}, {block}")


@pytest.mark.slow
def test_gauss_newton_is_the_form_of_explicit_jacobians(case, unchanged):
    difference = case.difference()
    check = unchanged(case.model)
    metric = gauss_newton(case.model, case.tensors, case.batches(), damping=0.01)
    together = metric.squared(difference)
    apart = {name: metric.squared({name: d}) for name, d in difference.items()}
    check()
    damped = {name: 0.01 * float(np.sum(d * d)) for name, d in difference.items()}
    assert together == pytest.approx(explicit_gauss_newton(case, difference) + sum(damped.values()), rel=1e-11)
    for name, d in difference.items():
        assert apart[name] == pytest.approx(explicit_gauss_newton(case, {name: d}) + damped[name], rel=1e-11)
    assert together != pytest.approx(sum(apart.values()), rel=1e-4)  # the cross terms between layers
    assert gauss_newton(case.model, case.tensors, case.batches(2), damping=0.01).squared(difference) == pytest.approx(
        together, rel=1e-13
    )


def test_the_fast_ways_do_for_ordinary_networks(case, caplog):
    with caplog.at_level("INFO", logger="apcli"):
        fisher(case.model, case.tensors, case.batches(), labels="model", damping=0)
        gauss_newton(case.model, case.tensors, case.batches(), damping=0).squared(case.difference())
    assert caplog.records == []


def test_a_weight_that_two_layers_share_moves_in_both(made):
    case = made("linear")
    case.model = nn.Sequential(nn.Flatten(), nn.Linear(60, 60), nn.Tanh(), nn.Linear(60, 60)).double()
    case.model[3].weight = case.model[1].weight
    assert case.tensors == ["1.weight"]
    difference = case.difference()
    found = gauss_newton(case.model, case.tensors, case.batches(), damping=0).squared(difference)
    assert found == pytest.approx(explicit_gauss_newton(case, difference), rel=1e-11)
    diagonal = fisher(case.model, case.tensors, case.batches(), labels="data", damping=0).diagonal["1.weight"]
    np.testing.assert_allclose(diagonal, explicit_fisher(case, "data")["1.weight"], rtol=1e-11, atol=1e-17)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30])
def test_gauss_newton_of_any_scale(made, scale):
    case = made("tokens")
    case.model.float()
    case.images = case.images.float()
    metric = gauss_newton(case.model, case.tensors, case.batches(), damping=1e-6)
    one = metric.squared(case.difference(scale=1.0))
    difference = case.difference(scale=scale)
    assert metric.squared(difference) == pytest.approx(one * scale**2, rel=1e-6, abs=0)
    assert metric.squared({name: 0 * d for name, d in difference.items()}) == 0


def test_half_of_it_is_the_second_order_change_of_the_predictions(case):
    """KL(p_w || p_{w - D}) / (D' G D / 2) -> 1, at a rate of |D|."""
    difference = case.difference(scale=1.0)
    expected = gauss_newton(case.model, case.tensors, case.batches(), damping=0).squared(difference) / 2
    before = log_probabilities(case.model, case.batches())
    original = {name: case.model.get_parameter(name).detach().clone() for name in difference}
    away = []
    for step in (1e-2, 1e-3, 1e-4):
        for name, d in difference.items():
            case.model.get_parameter(name).data.copy_(original[name] - step * torch.from_numpy(d))
        kl = predictive(before, log_probabilities(case.model, case.batches())).kl()
        away.append(abs(kl / (expected * step**2) - 1))
    assert away[2] < 3e-3
    assert away[2] < away[0] / 10


def test_networks_that_the_fast_ways_cannot_do(made, unchanged):
    case = made("linear")
    torch.manual_seed(0)
    case.model = Odd().double()
    case.images = torch.randn(5, 6, dtype=torch.float64)
    case.labels = case.labels[:5]
    difference = case.difference()
    check = unchanged(case.model)
    slow = fisher(case.model, case.tensors, case.batches(), labels="model", damping=0.0).diagonal
    squared = gauss_newton(case.model, case.tensors, case.batches(), damping=0.0).squared(difference)
    nothing = gauss_newton(case.model, case.tensors, case.batches(), damping=0.0).squared(
        case.difference("unused.weight")
    )
    check()
    assert nothing == 0
    assert not slow.pop("unused.weight").any()
    case.model.unused = nn.Identity()
    difference.pop("unused.weight")
    for name, diagonal in explicit_fisher(case, "model").items():
        np.testing.assert_allclose(slow[name], diagonal, rtol=1e-12, atol=1e-17)
    assert squared == pytest.approx(explicit_gauss_newton(case, difference), rel=1e-12)


def test_a_failure_of_the_network_is_not_hidden(made):
    case = made("linear")
    case.images = case.images[:, :1]
    for measured in (
        lambda: fisher(case.model, case.tensors, case.batches(), labels="model", damping=0.0),
        lambda: gauss_newton(case.model, case.tensors, case.batches(), damping=0.0).squared(case.difference()),
    ):
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            measured()


@pytest.mark.slow
def test_single_precision_costs_a_few_of_its_digits(case):
    difference = case.difference()

    def both():
        diagonal = fisher(case.model, case.tensors, case.batches(), labels="model", damping=0.0)
        newton = gauss_newton(case.model, case.tensors, case.batches(), damping=0.0)
        return diagonal.squared(difference), newton.squared(difference)

    expected = both()
    case.model.float()
    case.images = case.images.float()
    assert both() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("damping", [-1e-9, np.nan, np.inf])
def test_damping_out_of_range(made, damping):
    case = made("linear")
    with pytest.raises(ValueError, match=r"^damping is .*: expected a finite number, 0 or above$"):
        fisher(case.model, case.tensors, case.batches(), labels="model", damping=damping)
    with pytest.raises(ValueError, match=r"^damping is .*: expected a finite number, 0 or above$"):
        gauss_newton(case.model, case.tensors, case.batches(), damping=damping)


def test_labels_are_the_models_or_the_datas(made):
    case = made("linear")
    with pytest.raises(ValueError, match=r"^labels is 'true': expected model"):
        fisher(case.model, case.tensors, case.batches(), labels="true", damping=0.0)


def test_what_is_no_number_and_what_is_no_classifier_is_refused(made, unchanged):
    case = made("residual")
    case.images[3] = np.nan
    check = unchanged(case.model)
    with pytest.raises(ApcliError, match="NaN or Inf"):
        fisher(case.model, case.tensors, case.batches(), labels="data", damping=0.0)
    with pytest.raises(ApcliError, match="NaN or Inf"):
        gauss_newton(case.model, case.tensors, case.batches(), damping=0.0).squared(case.difference())
    check()
    case = made("linear")
    case.model[3] = nn.Linear(4, 1).double()
    with pytest.raises(ApcliError, match=r"output has shape \[3, 1\]: expected logits"):
        fisher(case.model, case.tensors, case.batches(), labels="model", damping=0.0)


class Raising(nn.Linear):
    """A layer that raises in the derivatives' passes, having made a large tensor, until there were ``most`` errors."""

    def __init__(self, error: Exception, most: int) -> None:
        super().__init__(4, 3)
        self.error, self.most, self.large = error, most, []

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        assert not any(found() for found in self.large)
        if torch._C._functorch.peek_interpreter_stack() is not None or torch.autograd.forward_ad._current_level >= 0:
            large = nn.Identity()
            self.large.append(weakref.ref(large))
            if len(self.large) <= self.most:
                raise type(self.error)(*self.error.args)
        return super().forward(inputs)


@pytest.mark.parametrize("measure", ["fisher", "gauss-newton"])
def test_memory_that_runs_out_is_not_taken_for_what_a_faster_way_cannot_do(measure):
    def measured(error: Exception) -> int:
        """How many passes were tried."""
        layer = Raising(error, 1)
        batch = torch.ones(2, 4), torch.zeros(2, dtype=torch.int64)
        if measure == "fisher":
            fisher(layer, ["weight"], lambda: iter([batch]), labels="data", damping=0)
        else:
            gauss_newton(layer, ["weight"], lambda: iter([batch]), damping=0).squared({"weight": np.ones((3, 4))})
        return len(layer.large)

    assert measured(RuntimeError("vmap: no rule")) == 1  # then the other way
    with pytest.raises(torch.OutOfMemoryError):
        measured(torch.OutOfMemoryError("CUDA out of memory"))
