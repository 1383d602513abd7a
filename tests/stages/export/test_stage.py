"""Export: each product is checked before it is there, and what cannot be is refused before anything is written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from channel_prunings import generic
from safetensors.torch import save_file

from apcli.checkpoints.reading import read
from apcli.configs.export import ExportConfig
from apcli.configs.shared import InputConfig
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.progress import Progress
from apcli.registry.tables import Table
from apcli.stages.export import FORMATS, stage, torchvision_files
from apcli.stages.export.places import Places
from apcli.stages.export.products import Exported
from apcli.stages.export.stage import Exporter


def export(source: Any, places: Places | None = None, **options: Any) -> list[Path]:
    exporter = Exporter(ExportConfig(**options), places or Places(), Progress())
    return list(exporter.export(source.checkpoint if isinstance(source, Exported) else read(source)))


def test_every_format_has_a_reader_and_an_ending_of_its_own() -> None:
    assert len({row.ending for row in FORMATS}) == len(list(FORMATS))
    assert all(len(row.targets) == 2 for row in FORMATS)


def test_a_checkpoint_leaves_in_several_formats(exported: Any, caplog: Any) -> None:
    one = exported("timm")
    with caplog.at_level("INFO", "apcli"):
        (folder,) = export(one, format="timm,timm")
    assert folder == one.home / "net.timm"
    assert "net.timm: the logits of" in caplog.text
    assert "it is loaded by timm.create_model('local-dir:...', pretrained=True)" in caplog.text


def test_a_file_without_a_lineage_is_as_published(tmp_path: Path, caplog: Any) -> None:
    network = generic(timm.create_model("test_resnet", num_classes=4))
    save_file(network.state_dict(), tmp_path / "theirs.safetensors")
    with pytest.raises(UsageError, match="does not say which network it is: give --model NAME"):
        export(tmp_path / "theirs.safetensors", format="timm")
    with caplog.at_level("INFO", "apcli"):
        (folder,) = export(tmp_path / "theirs.safetensors", format="timm", model="timm:test_resnet")
    lineage = read(folder / "model.safetensors").lineage
    assert (lineage.model["num_classes"], lineage.stage) == (4, "export")
    assert "(by its published weights)" in caplog.text
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, tmp_path / "trained.pth")
    (other,) = export(tmp_path / "trained.pth", format="timm", model="timm:test_resnet")
    assert (other.name, read(other / "model.safetensors").lineage.parent.path) == ("trained.timm", "../trained.pth")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, UsageError, "--format is not given: expected one or more of onnx, torch-export, "),
        ({"format": "onxn"}, UsageError, "unknown format 'onxn'"),
        ({"format": "timm", "batch_size": 2}, UsageError, "--batch-size is 2: --format timm takes any, leave it out"),
        ({"format": "torchvision,timm"}, UsageError, "which torchvision does not have"),
        ({"format": "timm", "model": "timm:test_vit"}, UsageError, "leave --model out"),
        ({"format": "timm", "inputs": InputConfig(num_classes=9)}, UsageError, "--num-classes is 9"),
        ({"format": "timm", "inputs": InputConfig(mean=(0.0, 1.0))}, UsageError, "--mean has 2 values"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    exported: Any, options: Any, error: Any, words: str
) -> None:
    one = exported("timm")
    with pytest.raises(error) as caught:
        export(one, **options)
    assert words in str(caught.value)
    assert [path.name for path in one.home.iterdir()] == ["net.safetensors"]


def test_a_missing_package_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(FORMATS.row("torch-export"), name="far", packages=("no_such_package", "torch"))
    monkeypatch.setattr(stage, "FORMATS", Table("format", (row,)))
    with pytest.raises(ApcliError, match=r"--format far needs no_such_package, .*: pip install 'apcli\[export\]'"):
        Exporter(ExportConfig("far"), Places(), Progress())


def test_a_product_that_differs_is_not_there(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = exported("torchvision")

    def halved(state: Any, path: Any) -> None:
        torch_save({name: tensor / 2 if tensor.is_floating_point() else tensor for name, tensor in state.items()}, path)

    torch_save = torch.save
    monkeypatch.setattr(torchvision_files.torch, "save", halved)
    with pytest.raises(VerificationError, match="would compute other logits") as caught:
        export(one, format="torchvision")
    assert caught.value.exit_code == 3
    assert [path.name for path in one.home.iterdir()] == ["net.safetensors"]


def test_a_weight_that_is_no_number_is_named(exported: Any) -> None:
    one = exported("timm")
    state = {name: tensor.clone() for name, tensor in one.network.state_dict().items()}
    state["fc.bias"][0] = float("nan")
    save_file(state, one.home / "nan.safetensors", dict(one.checkpoint.metadata[one.checkpoint.path]))
    with pytest.raises(ApcliError, match=r"tensor fc\.bias holds 1 NaN or Inf values"):
        export(one.home / "nan.safetensors", format="timm")
