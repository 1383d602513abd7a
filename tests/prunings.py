"""A file of three layers, and what the prune stage makes of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.stages.outputs import Outputs
from apcli.stages.prune.requests import check
from apcli.stages.prune.stage import prune

SHAPES = {"conv.weight": (8, 4, 3, 3), "fc1.weight": (30, 40), "fc2.weight": (10, 30)}


def three_layers(path: Path, seed: int = 0, scale: float = 1) -> Path:
    """A file of 1818 numbers, of which 288, 1200 and 300 are prunable weights and 30 are biases of one."""
    draw = torch.Generator().manual_seed(seed)
    state = {name: scale * torch.randn(shape, generator=draw) for name, shape in SHAPES.items()}
    save_file({**state, "fc1.bias": torch.full((30,), float(scale))}, path)
    return path


def run(source: Path, *sparsities: float, folder: Path | None = None, **options: Any) -> list[Path]:
    config, outputs = PruneConfig(sparsities, **options), Outputs(folder)
    check(config, outputs)
    return list(prune(read(source), config, outputs))


def zeros(path: Path, names: Iterable[str] = SHAPES) -> dict[str, int]:
    """By layer, how many of its weights are zero."""
    state = load_file(path)
    return {name.removesuffix(".weight"): int((state[name] == 0).sum()) for name in names}
