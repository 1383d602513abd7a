"""The whole training step on fake tensors of ``cuda:0``, which have shapes and places but no numbers.

What the captured part of a step does with tensors of two devices raises, and so does every number that it reads from
the device. What fake tensors cannot do is replaced: the backward pass, the fused optimisers' kernels, and generators.
"""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from marked import slow, slow_but
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from apcli.configs.training import LoopConfig
from apcli.criteria.movement import movement
from apcli.data.datasets import Dataset, Split
from apcli.models.spec import ModelSpec
from apcli.training import loop
from apcli.training.captured import Captured
from apcli.training.loop import Setup, Training
from apcli.training.masking import Masking, Ramp
from apcli.training.optim import OPTIMISERS, SCHEDULES
from apcli.training.optim.optimisers import load_, optimiser_of
from apcli.training.recipe import Recipe, recipe_of

CUDA = torch.device("cuda:0")
READS = {
    "item": lambda tensor: 0.5 if tensor.is_floating_point() else 1,
    "tolist": lambda tensor: [-1, 1] if tensor.shape == (2,) else [1.0] * tensor.numel(),
    "__bool__": lambda tensor: True,
    "__float__": lambda tensor: 0.1,
    "__int__": lambda tensor: 1,
}


class Net(nn.Module):
    """A bit of what networks are made of; ``waits``: its batch norm reads a number from the device."""

    def __init__(self, *, waits: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4, momentum=None if waits else 0.1)
        self.second = nn.Conv2d(4, 4, 1)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(4, 10)

    def forward(self, images: Tensor) -> Tensor:
        features = self.second(self.norm(self.first(images)).relu())
        return self.last(self.drop(features.mean((2, 3))))


def on_fake_cuda(**how: bool) -> Net:
    with CUDA:
        network = Net(**how)
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.dim() == 4:
                laid_out = parameter.detach().contiguous(memory_format=torch.channels_last)
                setattr(module, name, nn.Parameter(laid_out))
    return network


def fused(params: list[Tensor], *lists: list[Tensor], lr: Tensor | float, **numbers: Any) -> None:
    """Stands in for a fused kernel: all its tensors are on the device, and so is its rate where it is a tensor."""
    tensors = [*params, *(tensor for some in lists for tensor in some), *([lr] if isinstance(lr, Tensor) else [])]
    assert {tensor.device for tensor in tensors} == {CUDA}


def built(network: nn.Module, recipe: Recipe, *, captured: bool) -> tuple[torch.optim.Optimizer, bool]:
    optimiser, captures = optimiser_of(network, recipe, captured=captured)
    for group in optimiser.param_groups:
        if "foreach" in group and not group.get("fused"):
            group["foreach"] = True  # torch's default on CUDA, but for fake tensors
    return optimiser, captures


@pytest.fixture
def fake(monkeypatch):
    """Fake CUDA; ``steps`` counts the calls of the captured part by whether they were to be captured."""
    steps: list[bool] = []
    inside = [False]

    def guarded(name: str) -> Callable[..., Any]:
        real, number = getattr(Tensor, name), READS[name]

        def read(self: Tensor, *args: Any) -> Any:
            if not isinstance(self, FakeTensor):
                return real(self, *args)
            assert not inside[0], f"a step waits for the device: Tensor.{name} of {tuple(self.shape)}"
            return number(self)

        return read

    class Watched(Captured):
        def __call__(self, *inputs: Tensor) -> None:
            steps.append(self._enabled)
            inside[0] = self._enabled
            try:
                self._function(*inputs)
            finally:
                inside[0] = False

    def backward(loss: Tensor) -> None:
        for parameter in networks[-1].parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)

    networks: list[nn.Module] = []
    for name in READS:
        monkeypatch.setattr(Tensor, name, guarded(name))
    for kernel in ("_fused_sgd_", "_fused_adam_", "_fused_adamw_"):
        monkeypatch.setattr(torch, kernel, fused)
    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(loop, "Captured", Watched)
    monkeypatch.setattr(loop, "optimiser_of", built)
    monkeypatch.setattr(loop, "Generator", lambda device: torch.Generator())
    monkeypatch.setattr(FakeTensorMode, "__deepcopy__", lambda mode, memo: mode, raising=False)
    monkeypatch.setattr(loop, "evaluate", lambda *args: {"train": {"loss": 1.0}, "test": {"loss": 1.0}})

    def train(network: Net, masking: Masking | None = None, teacher: Net | None = None, **config: Any) -> list[bool]:
        networks.append(network)
        steps.clear()
        images = torch.zeros(10, 3, 8, 8, dtype=torch.uint8, device=CUDA)
        split = Split(images, torch.zeros(10, dtype=torch.int64, device=CUDA))
        data = Dataset("noise", split, split, 10, (0.5,), (0.25,), "crop:padding=1,flip")
        spec = ModelSpec("net.py:net", "user", 10, (3, 8, 8), (0.5,) * 3, (0.25,) * 3)
        config = {"epochs": 2, "batch_size": 4, "lr": 0.1, "amp": True, "teacher": teacher and "x", **config}
        recipe = recipe_of(LoopConfig(**config), spec, data, CUDA)
        list(Training(network, Setup(spec, data, recipe, seed=0, teacher=teacher), masking=masking).run())
        return list(steps)

    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield train


def masks(network: Net, learn: Any = None) -> Masking:
    """Zeros that are held in one layer, and grow in two others."""
    weights = {"first.weight": network.first.weight, "second.weight": network.second.weight}
    removed = {name: weight.detach() == 0 for name, weight in weights.items()}
    return Masking(weights, removed, [Ramp(tuple(weights), {1: 3, 4: 9})], learn)


@pytest.mark.slow
@pytest.mark.parametrize("opt", OPTIMISERS.names)
def test_every_optimiser(fake, opt):
    assert fake(on_fake_cuda(), opt=opt, weight_decay=1e-4, epochs=1) == [opt != "adagrad"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("sched", slow_but(SCHEDULES.names, "one-cycle"))
def test_every_schedule(fake, sched):
    assert fake(on_fake_cuda(), sched=sched) == [sched != "one-cycle"] * 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        {"mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.1},
        slow({"clip_grad": 1.0, "ema": 0.99, "decay": "weights", "weight_decay": 1e-4}),
        slow({"opt": "sgd:nesterov=1", "amp": False, "warmup_epochs": 1.0}),
        slow({"accumulate": 2, "layer_decay": 0.5}),
        {"l1": 1e-3, "ema": 0.9, "layer_decay": 0.5},
        slow({"l1": 1e-3, "l1_form": "subgradient", "opt": "adam"}),
        slow({"momentum": 0.0, "augment": "random-resized-crop:scale=0.5"}),
    ],
)
def test_what_else_is_in_a_step(fake, how):
    assert fake(on_fake_cuda(), **how) == [True] * 6


@pytest.mark.slow
@pytest.mark.parametrize("learn", [None, movement])
def test_masks_that_grow_and_a_teacher(fake, learn):
    network = on_fake_cuda()
    assert fake(network, masks(network, learn), on_fake_cuda(), ema=0.9, clip_grad=1.0) == [True] * 6


def test_a_step_is_launched_as_it_is_if_so_asked(fake):
    assert fake(on_fake_cuda(), cuda_graph=False) == [False] * 6


def test_a_network_that_waits_is_found(fake):
    """That the watch sees what it is there for."""
    with pytest.raises(AssertionError, match="a step waits for the device"):
        fake(on_fake_cuda(waits=True))


@pytest.mark.slow
@pytest.mark.parametrize("opt", slow_but(OPTIMISERS.names, "nadam"))
@pytest.mark.parametrize("captured", [True, False])
def test_a_saved_state_lies_where_its_optimiser_wants_it(fake, recipe, opt, captured):
    """Counts of steps and NAdam's product of momenta lie on the device for fused and capturable steps, else beside."""
    how = recipe(opt=opt)
    networks = on_fake_cuda(), on_fake_cuda()
    for network in networks:
        network(torch.zeros(4, 3, 8, 8, device=CUDA)).sum()
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
    first, _ = built(networks[0], how, captured=not captured)
    first.step()
    second, _ = built(networks[1], how, captured=captured)
    load_(second, first.state_dict())
    second.step()
    fresh, _ = built(networks[0], how, captured=captured)
    fresh.step()
    place = [{k: v.device for k, v in state.items()} for state in fresh.state.values()]
    assert [{k: v.device for k, v in state.items()} for state in second.state.values()] == place
