"""Small networks on their way out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from channel_prunings import generic, saved
from torch import nn

from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.stages.export.products import Exported

SPECS = {
    "apcli": ModelSpec("resnet20", "apcli", 10, (3, 8, 8), (0.5,) * 3, (0.25,) * 3),
    "torchvision": ModelSpec("squeezenet1_1", "torchvision", 7, (3, 64, 64), (0.5,) * 3, (0.25,) * 3),
    "timm": ModelSpec("test_resnet.r160_in1k", "timm", 5, (3, 64, 64), (0.5,) * 3, (0.25,) * 3),
}


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., Exported]:
    """Makes what is exported of a network: a library's, or one's own for images of 3x16x16."""

    def make(library: str = "", network: nn.Module | None = None, name: str = "net", **lineage: Any) -> Exported:
        own = ModelSpec("net.py:net", "user", 5, (3, 16, 16), (0.5,) * 3, (0.25,) * 3)
        spec = SPECS[library] if library else own
        network = generic(build(spec) if network is None else network)
        for parameter in network.parameters():  # some zeros, as a pruning leaves them
            if parameter.dim() > 1:
                with torch.no_grad():
                    parameter[0] = 0
        source = saved(tmp_path / f"{name}.safetensors", network.state_dict(), model=spec.to_json(), **lineage)
        return Exported(source, spec, network, {"format": "some"}, tmp_path)

    return make
