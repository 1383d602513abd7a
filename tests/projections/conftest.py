"""Two files without any lineage, for tests of the weights alone and of what else a projection needs."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

SHAPES = {"conv.weight": (6, 3, 2, 2), "fc.weight": (5, 8)}


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files of two layers, and of different precision, without any lineage."""
    folder = tmp_path_factory.mktemp("plain")
    for seed, dtype in ((0, torch.float32), (1, torch.float16)):
        draw = torch.Generator().manual_seed(seed)
        save_file(
            {n: torch.randn(s, generator=draw).to(dtype) for n, s in SHAPES.items()}, folder / f"{seed}.safetensors"
        )
    return folder / "0.safetensors", folder / "1.safetensors"
