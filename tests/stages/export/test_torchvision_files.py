"""State dicts for torchvision: they load as torchvision's users load them, without apcli."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.stages.export.products import Exported
from apcli.stages.export.torchvision_files import read, write


def test_torchvision_loads_it_strictly(exported: Any, tmp_path: Path) -> None:
    one = exported("torchvision")
    write(one, tmp_path / "net.pth")
    network = torchvision.models.squeezenet1_1(weights=None, num_classes=7).eval()
    network.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(images), one.network(images))
        assert torch.equal(read(tmp_path / "net.pth", one.spec).run(images), one.network(images))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "given"),
    [
        ("mnasnet0_5", 64, "num_classes=7"),  # its state dict needs versions
        ("googlenet", 64, "num_classes=7, aux_logits=False"),
    ],
)
def test_what_is_said_of_loading_does_load(name: str, size: int, given: str, tmp_path: Path) -> None:
    spec = ModelSpec(name, "torchvision", 7, (3, size, size), (0.5,) * 3, (0.25,) * 3)
    network: Any = build(spec)
    write(Exported(None, spec, network, {}, tmp_path), tmp_path / "net.pth")
    assert read(tmp_path / "net.pth", spec).loading.startswith(f"torchvision.models.{name}({given}).load_state_dict")
    arguments = dict(pair.split("=") for pair in given.split(", "))
    theirs = torchvision.models.get_model(
        name, **{key: int(v) if v != "False" else False for key, v in arguments.items()}
    )
    assert not any(theirs.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True)))
