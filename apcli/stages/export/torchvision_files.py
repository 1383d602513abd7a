"""State dicts for torchvision's networks. Beside the tensors, they hold the versions of the network's modules."""

from pathlib import Path

import torch

from apcli.models.build import arguments, build
from apcli.models.spec import ModelSpec
from apcli.stages.export.library_networks import spec_in
from apcli.stages.export.products import Exported, Product


def write(exported: Exported, path: Path) -> None:
    """Write the network's state dict."""
    torch.save(exported.network.state_dict(), path)


def read(path: Path, spec: ModelSpec) -> Product:
    """Load a state dict strictly into torchvision's network."""
    theirs = spec_in("torchvision", spec)
    network, state = build(theirs), torch.load(path, weights_only=True)
    network.load_state_dict(state, strict=True)
    given = ", ".join(f"{key}={value!r}" for key, value in arguments(theirs).items())
    return Product(network.eval(), state, f"torchvision.models.{theirs.name}({given}).load_state_dict(torch.load(...))")
