"""Optimisers: what decays, that the fused kernel computes the same, and what a captured one is given."""

import pytest
import torch
from torch import nn

from apcli.errors import UsageError
from apcli.optim import OPTIMISERS
from apcli.training.optimisers import optimiser_of, restore_rates_


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))


def step(model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    model(torch.linspace(-1, 1, 64).view(4, 1, 4, 4)).square().sum().backward()
    optimiser.step()


@pytest.mark.parametrize("opt", ["sgd", "adamw"])
@pytest.mark.parametrize("decay", ["all", "weights"])
def test_biases_and_norms_decay_only_if_so_asked(recipe, opt, decay):
    """With gradients of zero, decay is all that moves a parameter."""
    model = network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(2.0)
            parameter.grad = torch.zeros_like(parameter)
    optimiser, _ = optimiser_of(model, recipe(opt=opt, weight_decay=0.1, decay=decay), captured=False)
    optimiser.step()
    for name, parameter in model.named_parameters():
        assert bool((parameter == 2).all()) == (decay == "weights" and parameter.dim() < 2), name


@pytest.mark.parametrize("opt", [*OPTIMISERS.names, "sgd:nesterov=1"])
def test_the_fused_step_is_the_plain_one(recipe, opt):
    models = network(), network()
    how = recipe(opt=opt, weight_decay=0.01, lr=0.01)
    fused, _ = optimiser_of(models[0], how, captured=False)
    momentum = {} if how.momentum is None else {"momentum": how.momentum}
    flags = {"nesterov": True} if "nesterov" in opt else {}
    options = {"fused": False} if "fused" in how.opt.row.needs else {}
    plain = type(fused)(models[1].parameters(), lr=0.01, weight_decay=0.01, **options, **momentum, **flags)
    assert bool(fused.defaults.get("fused")) == ("fused" in how.opt.row.needs)
    for _ in range(3):
        step(models[0], fused)
        step(models[1], plain)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("opt", OPTIMISERS.names)
def test_a_captured_step_reads_its_rate_from_a_tensor(recipe, opt):
    """As on CUDA; Adagrad has no such step, and says so."""
    optimiser, captures = optimiser_of(network(), recipe(opt=opt), captured=True)
    assert captures == (opt != "adagrad")
    assert isinstance(optimiser.param_groups[0]["lr"], torch.Tensor) == captures
    assert bool(optimiser.defaults.get("capturable")) == ("capturable" in OPTIMISERS.row(opt).needs)
    restore_rates_(optimiser, torch.device("meta"))
    assert not captures or optimiser.param_groups[0]["lr"].is_meta


def test_what_does_not_learn_is_left_out(recipe):
    model = network()
    model.requires_grad_(False)
    model[3].weight.requires_grad_(True)
    optimiser, _ = optimiser_of(model, recipe(decay="weights"), captured=False)
    assert [parameter is model[3].weight for group in optimiser.param_groups for parameter in group["params"]] == [True]


def test_what_torch_refuses(recipe):
    with pytest.raises(UsageError, match=r"--opt adam:eps=-1\.0 with --lr 0\.1: "):
        optimiser_of(network(), recipe(opt="adam:eps=-1.0"), captured=False)
