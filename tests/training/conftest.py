"""A recipe by a few options, on tiny data."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from apcli.configs.training import LoopConfig
from apcli.data.datasets import Dataset, Split
from apcli.models.spec import ModelSpec
from apcli.training.recipe import Recipe, recipe_of


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    split = Split(torch.zeros(4, 1, 4, 4, dtype=torch.uint8), torch.arange(4))
    data = Dataset("tiny", split, split, classes=4, mean=(0.5,), std=(0.25,), augment="none")
    spec = ModelSpec("net.py:net", "user", 4, (1, 4, 4), (0.5,), (0.25,))

    def make(**options: Any) -> Recipe:
        return recipe_of(LoopConfig(**{"epochs": 4, "lr": 0.1, **options}), spec, data, torch.device("cpu"))

    return make
