"""Folders for timm: timm itself builds the network, loads the weights and knows the input."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.data import resolve_model_data_config

from apcli.checkpoints.promises import Promise
from apcli.checkpoints.reading import read as read_checkpoint
from apcli.errors import VerificationError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.stages.export.products import Exported
from apcli.stages.export.timm_folders import read, write


def test_timm_builds_it_with_its_weights_and_input(exported: Any, tmp_path: Path) -> None:
    one = exported("timm", classes=tuple("abcde"))
    write(one, tmp_path / "net.timm")
    network = timm.create_model(f"local-dir:{tmp_path / 'net.timm'}", pretrained=True).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(images), one.network(images))
        assert torch.equal(read(tmp_path / "net.timm", one.spec).run(images), one.network(images))
    known = resolve_model_data_config(network)
    assert (tuple(known["input_size"]), tuple(known["mean"]), tuple(known["std"])) == (
        one.spec.input_size,
        one.spec.mean,
        one.spec.std,
    )
    config = json.loads((tmp_path / "net.timm" / "config.json").read_text())
    assert (config["architecture"], config["num_classes"], config["label_names"]) == ("test_resnet", 5, list("abcde"))


def test_the_weights_are_a_checkpoint_that_keeps_its_promises(exported: Any, tmp_path: Path) -> None:
    one = exported("timm")
    name = next(name for name, tensor in one.network.state_dict().items() if tensor.dim() == 4)
    weight = one.network.state_dict()[name]
    zeros = int((weight == 0).sum())
    promised = exported("timm", pruned={name: Promise(zeros, weight.numel())})
    write(promised, tmp_path / "net.timm")
    lineage = read_checkpoint(tmp_path / "net.timm" / "model.safetensors").lineage
    assert lineage.parent.path == "../net.safetensors"
    assert lineage.pruned[name].zeros == zeros > 0
    with torch.no_grad():
        promised.network.get_parameter(name).fill_(1)
    with pytest.raises(VerificationError, match=r"has 0 zeros but its lineage promises"):
        write(promised, tmp_path / "lost.timm")


def test_another_size_of_a_network_that_depends_on_it(tmp_path: Path, exported: Any) -> None:
    spec = ModelSpec("test_vit", "timm", 3, (3, 64, 64), (0.5,) * 3, (0.25,) * 3)
    network = build(spec).eval()
    source = exported("timm").checkpoint
    write(Exported(source, spec, network, {}, tmp_path), tmp_path / "vit.timm")
    theirs = timm.create_model(f"local-dir:{tmp_path / 'vit.timm'}", pretrained=True).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(theirs(images), network(images))
