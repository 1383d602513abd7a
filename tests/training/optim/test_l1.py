"""The l1 penalty: what its steps converge to, autograd's gradient, and whom it spares."""

import copy

import pytest
import torch
from torch import Tensor, nn

from apcli.training.optim.l1 import L1Penalty
from apcli.training.optim.optimisers import optimiser_of

DRAW = torch.Generator().manual_seed(1)
CURVATURES = 0.2 + 2 * torch.rand(40, generator=DRAW, dtype=torch.float64)
WITHOUT = torch.randn(40, generator=DRAW, dtype=torch.float64)  # the minimiser of the loss alone


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = (nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    return nn.Sequential(*layers).double()


def lasso(strength: float) -> Tensor:
    """The minimiser of sum h (w - w0)^2 / 2 + lambda |w|, weight by weight."""
    return WITHOUT.sign() * (WITHOUT.abs() - strength / CURVATURES).clamp(min=0)


@pytest.mark.parametrize(
    ("opt", "momentum"), [("sgd", 0.0), ("sgd", 0.5), ("sgd", 0.9), ("sgd:nesterov=1", 0.5), ("sgd:nesterov=1", 0.9)]
)
def test_proximal_steps_converge_to_the_lasso(recipe, opt, momentum):
    """Whatever the momentum; with t = lr lambda alone, momentum 0.9 would give that of lambda / 10."""
    model = nn.Linear(40, 1, bias=False).double()
    how = recipe(opt=opt, momentum=momentum, lr=0.05, l1=0.3)
    optimiser, _ = optimiser_of(model, how, captured=False)
    penalty = L1Penalty(model, optimiser, how)
    for _ in range(3000):
        model.weight.grad = CURVATURES * (model.weight.detach() - WITHOUT)
        penalty.after_gradients()
        optimiser.step()
        penalty.after_step()
    (found,) = model.weight.detach()
    torch.testing.assert_close(found, lasso(0.3), rtol=0, atol=1e-12)
    assert torch.equal(found == 0, lasso(0.3) == 0)
    assert 5 < int((found == 0).sum()) < 35


def test_the_subgradient_is_autograds(recipe):
    """Of norms and biases too, of weights that are zero, and of one that has no part in the loss."""
    model = network()
    model.register_parameter("unused_weight", nn.Parameter(torch.tensor([1.0, -2.0, 0.0], dtype=torch.float64)))
    model.register_parameter("scale", nn.Parameter(torch.ones(2, dtype=torch.float64)))  # neither weight nor bias
    with torch.no_grad():
        model[2].weight[0, :3] = 0.0
    model[4].bias.requires_grad_(False)
    theirs = copy.deepcopy(model)
    how = recipe(l1=0.07, l1_form="subgradient")
    optimiser, _ = optimiser_of(model, how, captured=False)
    images = torch.tensor([[0, 1], [2, 3], [4, 4]])

    model(images).square().sum().backward()
    L1Penalty(model, optimiser, how).after_gradients()
    penalised = [p for name, p in theirs.named_parameters() if name.endswith(("weight", "bias"))]
    (theirs(images).square().sum() + 0.07 * sum(p.abs().sum() for p in penalised)).backward()
    for (name, own), other in zip(model.named_parameters(), theirs.parameters(), strict=True):
        assert (own.grad is None) == (other.grad is None) == (name in ("4.bias", "scale")), name
        if own.grad is not None:
            torch.testing.assert_close(own.grad, other.grad, rtol=1e-14, atol=1e-15, msg=name)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_only_learning_weights_that_prune_removes_shrink_by_their_groups_rate(recipe, as_tensor):
    model = network()
    model[4].weight.requires_grad_(False)
    before = copy.deepcopy(model)
    how = recipe(opt="adam", l1=0.5, layer_decay=0.5, lr=0.4)
    optimiser, _ = optimiser_of(model, how, captured=False)
    for group in optimiser.param_groups:
        rate = 0.4 * group["scale"]
        group["lr"] = torch.tensor(rate, dtype=torch.float64) if as_tensor else rate
    penalty = L1Penalty(model, optimiser, how)
    penalty.after_gradients()
    penalty.after_step()
    (scale,) = {
        group["scale"] for group in optimiser.param_groups if any(p is model[2].weight for p in group["params"])
    }
    assert scale < 1
    for (name, own), old in zip(model.named_parameters(), before.parameters(), strict=True):
        shrunk = old.sign() * (old.abs() - 0.5 * 0.4 * scale).clamp(min=0) if name == "2.weight" else old
        torch.testing.assert_close(own, shrunk, rtol=0, atol=1e-15, msg=name)
        assert own.grad is None
    assert 0 < int((model[2].weight == 0).sum()) < 24


def test_without_a_penalty_nothing_happens(recipe):
    model, how = network(), recipe()
    before = copy.deepcopy(model.state_dict())
    penalty = L1Penalty(model, optimiser_of(model, how, captured=False)[0], how)
    penalty.after_gradients()
    penalty.after_step()
    penalty.hold({})
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
