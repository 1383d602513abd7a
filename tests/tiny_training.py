"""A tiny network that has one of each thing that training moves, its images and its recipe."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from apcli.configs.training import LoopConfig
from apcli.data.datasets import Dataset, Split
from apcli.models.spec import ModelSpec
from apcli.training.loop import Setup, Training
from apcli.training.masking import Masking
from apcli.training.optim.parameters import parameters_of
from apcli.training.recipe import Recipe, recipe_of

CLASSES = 7
CPU = torch.device("cpu")


def data(train: int = 90, test: int = 37, classes: int = CLASSES) -> Dataset:
    draw = torch.Generator().manual_seed(3)
    splits = []
    for count in (train, test):
        labels = torch.randint(0, classes, (count,), generator=draw)
        noise = torch.randint(0, 120, (count, 1, 4, 4), generator=draw)
        images = (noise + 20 * labels.view(-1, 1, 1, 1) % 136).to(torch.uint8)
        splits.append(Split(images, labels))
    return Dataset("tiny", *splits, classes=classes, mean=(0.5,), std=(0.25,), augment="none")


def spec(classes: int = CLASSES, name: str = "net.py:net") -> ModelSpec:
    return ModelSpec(name, "user" if ":" in name else "apcli", classes, (1, 4, 4), (0.5,), (0.25,))


class Net(nn.Module):
    """Convolution, batch norm, dropout, linear: one of each thing that could move on its own."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1, bias=False)  # a bias would be undone by the norm
        self.norm = nn.BatchNorm2d(6)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(96, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.drop(self.norm(self.conv(images)).relu().flatten(1)))


def network(seed: int = 0, classes: int = CLASSES) -> Net:
    torch.manual_seed(seed)
    return Net(classes)


def recipe(classes: int = CLASSES, **options: Any) -> Recipe:
    return recipe_of(LoopConfig(**{"epochs": 2, "batch_size": 16, "lr": 0.05, **options}), spec(classes), data(), CPU)


def run(
    model: nn.Module,
    how: Recipe,
    dataset: Dataset | None = None,
    seed: int = 0,
    removed: dict[str, torch.Tensor] | None = None,
    only: list[str] | None = None,
) -> Iterator[Any]:
    masking = Masking(parameters_of(model), removed or {})
    return Training(model, Setup(spec(), dataset or data(), how, seed, only), masking=masking).run()


def snapshot(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}
