"""Optimisers: what decays, that the fused kernel computes the same, and what a captured one is given."""

import copy

import pytest
import torch
from torch import nn

from apcli.errors import UsageError
from apcli.training.optim import OPTIMISERS, SCHEDULES
from apcli.training.optim.optimisers import load_, optimiser_of
from apcli.training.optim.rates import Rates


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
    options = {"fused": False} if how.opt.row.is_fused else {}
    plain = type(fused)(models[1].parameters(), lr=0.01, weight_decay=0.01, **options, **momentum, **flags)
    assert bool(fused.defaults.get("fused")) == (how.opt.row.is_fused)
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
    assert bool(optimiser.defaults.get("capturable")) == OPTIMISERS.row(opt).is_capturable


@pytest.mark.slow
@pytest.mark.parametrize("sched", SCHEDULES.names)
@pytest.mark.parametrize("opt", OPTIMISERS.names)
def test_no_number_that_a_graph_fixes_moves_from_step_to_step(recipe, opt, sched):
    """One-cycle moves momentum, which is a number in Python: a graph would go on with that of its fourth step."""
    how = recipe(opt=opt, sched=sched)
    optimiser, captures = optimiser_of(network(), how, captured=True)
    rates, seen = Rates(optimiser, how, 5), set()
    for step in range(20):
        rates.before_step(step)
        rates.after_step()
        if step % 5 == 4:
            rates.after_epoch(1.0)
        seen.add(repr([v for k, v in optimiser.param_groups[0].items() if k != "params" and not torch.is_tensor(v)]))
    assert captures == (opt != "adagrad" and sched != "one-cycle")
    assert (len(seen) == 1) or not captures


@pytest.mark.slow
@pytest.mark.parametrize("opt", OPTIMISERS.names)
@pytest.mark.parametrize("saved_captured", [True, False])
@pytest.mark.parametrize("now_captured", [True, False])
def test_a_saved_state_goes_on_as_the_optimiser_was_built(recipe, opt, saved_captured, now_captured):
    """Whether torchrun, a run on the CPU or one from a graph saved it, only the numbers are taken over."""
    how = recipe(opt=opt, lr=0.01)
    models = network(), network()
    first, _ = optimiser_of(models[0], how, captured=False)
    first.param_groups[0]["lr"] = 0.003
    step(models[0], first)
    state = copy.deepcopy(first.state_dict())
    if saved_captured:  # what such a run saves; its steps themselves need a GPU
        on_cuda, captures = optimiser_of(network(), how, captured=True)
        rate = torch.tensor(0.003) if captures else 0.003
        first.param_groups[0]["lr"] = float(rate)
        state["param_groups"] = [{**on_cuda.state_dict()["param_groups"][0], "lr": rate}]
    second, captures = optimiser_of(models[1], how, captured=now_captured)
    built = {key: second.param_groups[0].get(key) for key in ("capturable", "foreach", "fused")}
    load_(second, state)
    group = second.param_groups[0]
    assert {key: group.get(key) for key in built} == built
    assert isinstance(group["lr"], torch.Tensor) == captures
    assert float(group["lr"]) == pytest.approx(0.003)
    if not captures:
        models[1].load_state_dict(models[0].state_dict())
        for model, optimiser in zip(models, (first, second), strict=True):
            step(model, optimiser)
        assert all(torch.equal(*pair) for pair in zip(*(model.parameters() for model in models), strict=True))


def test_what_torch_refuses(recipe):
    with pytest.raises(UsageError, match=r"--opt sgd:nesterov=1 with --lr 0\.1: Nesterov "):
        optimiser_of(network(), recipe(opt="sgd:nesterov=1", momentum=0.0), captured=False)
