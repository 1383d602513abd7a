"""Tiny networks of every kind of layer in float64, and data for them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """Batch norm with statistics of its own, changes in place, dropout, a shortcut, and a convolution called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.twice = nn.Conv2d(4, 4, 3, padding="same", padding_mode="reflect")
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4, 3)
        nn.init.uniform_(self.norm.running_mean, -0.5, 0.5)
        nn.init.uniform_(self.norm.running_var, 0.5, 2.0)

    def forward(self, images: Tensor) -> Tensor:
        out = self.relu(self.norm(self.stem(images)))
        out = self.relu(self.twice(out).add_(out))
        out = self.relu(self.twice(out) + out)
        return self.fc(self.drop(out.mean(dim=(2, 3))))


class Tokens(nn.Module):
    """Attention between the rows of an image; gives a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 4)
        self.block = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.head(self.block(self.embed(images.mean(dim=1))).mean(dim=1)), None


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(60, 4), nn.Tanh(), nn.Linear(4, 3, bias=False))


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
        nn.Tanh(),
        nn.Conv2d(4, 6, 2, groups=2, padding="same", padding_mode="circular"),
        nn.Sigmoid(),
        nn.Conv2d(6, 3, 2, bias=False),
        nn.Flatten(2),
        nn.Conv1d(3, 3, 3, groups=3, stride=2),
        nn.Flatten(),
        nn.LazyLinear(4),
    )


@dataclass
class Case:
    """A network, the names of its weights, and data in batches."""

    model: nn.Module
    images: Tensor
    labels: Tensor

    @property
    def tensors(self) -> list[str]:
        return [name for name, p in self.model.named_parameters() if p.dim() >= 2]

    def batches(self, size: int = 3) -> Callable[[], Iterator[tuple[Tensor, Tensor]]]:
        return lambda: zip(self.images.split(size), self.labels.split(size), strict=True)

    def difference(self, *names: str, scale: float = 0.1, seed: int = 0) -> dict[str, np.ndarray]:
        draw = np.random.default_rng(seed)
        shapes = {name: tuple(self.model.get_parameter(name).shape) for name in names or self.tensors}
        return {name: scale * draw.normal(size=shape) for name, shape in shapes.items()}


NETWORKS = {"linear": linear, "convolutions": convolutions, "residual": Residual, "tokens": Tokens}


@pytest.fixture(params=NETWORKS)
def case(request: pytest.FixtureRequest) -> Case:
    return make(request.param)


@pytest.fixture
def made() -> Callable[[str], Case]:
    return make


def make(name: str) -> Case:
    """The case ``name`` of ``NETWORKS``: it starts in training mode, but for its last module."""
    torch.manual_seed(4)
    model = NETWORKS[name]()
    images = 1.5 * torch.randn(7, 2, 6, 5)
    model(images)  # lazy layers take their size
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked.zero_()
    list(model.modules())[-1].eval()
    return Case(model.double(), images.double(), torch.randint(3, (7,)))


@pytest.fixture
def unchanged() -> Callable[[nn.Module], Callable[[], None]]:
    """Called with a model, gives a check that it is bit for bit as it was."""

    def watch(model: nn.Module) -> Callable[[], None]:
        state = {name: value.clone() for name, value in model.state_dict().items()}
        flags = [(module.training, dict(module._forward_hooks)) for module in model.modules()]
        wants = [(parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
        fast = torch.backends.mha.get_fastpath_enabled()

        def check() -> None:
            assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
            assert [(module.training, dict(module._forward_hooks)) for module in model.modules()] == flags
            assert [(parameter.requires_grad, parameter.grad) for parameter in model.parameters()] == wants
            assert torch.backends.mha.get_fastpath_enabled() == fast

        return check

    return watch
