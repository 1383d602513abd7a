"""A network that was named once is known to every later stage."""

from pathlib import Path
from typing import Any

import pytest
import torch
from marked import slow_but

import apcli
from apcli.checkpoints.reading import read
from apcli.cli.texts.checkpoint import to_text
from apcli.data.image_spec import ImageSpec
from apcli.models.build import build
from apcli.models.spec import resolve

IMAGES = ImageSpec((1, 8, 8), 10, (0.5,), (0.5,))
NAMED: list[tuple[str, dict[str, Any]]] = [("resnet20", {"input_size": 8, "num_classes": 10}), ("timm:test_resnet", {})]
STRUCTURES: list[dict[str, Any]] = [{}, {"structure": "filter"}, {"structure": "filter", "compact": True}]


def theirs(folder: Path, model: str) -> Path:
    """A state dict without a word about its network."""
    torch.manual_seed(0)
    torch.save(build(resolve(model, IMAGES)).state_dict(), folder / "theirs.pt")
    return folder / "theirs.pt"


@pytest.mark.parametrize("structure", slow_but(STRUCTURES, STRUCTURES[0], STRUCTURES[2]))
@pytest.mark.parametrize(("model", "inputs"), NAMED)
def test_a_model_that_was_said_is_asked_for_never_again(tmp_path, monkeypatch, model, inputs, structure):
    monkeypatch.chdir(tmp_path)
    (pruned,) = apcli.prune(theirs(tmp_path, model), sparsity=0.5, model=model, **inputs, **structure)
    lineage = pruned.lineage
    source, _, name = model.rpartition(":")
    assert lineage.model is not None
    assert lineage.model == {
        **{"name": name, "source": source or "apcli", "given": inputs},
        "last": "fc.weight" if name == "test_resnet" else lineage.last_layer,
    }
    assert lineage.last_layer in pruned.entries
    network = apcli.load(pruned)
    assert sum(p.numel() for p in network.parameters()) == apcli.describe(pruned).parameters
    assert apcli.describe(pruned).macs is not None
    assert name in to_text(apcli.describe(pruned))
    if not structure.get("compact"):
        (product,) = apcli.export(pruned, format="timm") if source else (pruned.path,)
        assert product.exists()
    options: dict[str, Any] = {"images": 40, "split": "test", "epochs": 0, "device": "cpu"}
    (tuned,) = apcli.finetune(pruned, **options)
    assert tuned.lineage.model["num_classes"] == 10
    if not structure.get("compact"):
        (record,) = apcli.divergence(pruned, dist="predictive", images=8, device="cpu")
        assert (record.model, record.dense.path) == (name, "theirs.pt")
    (again,) = apcli.prune(pruned, sparsity=0.9, layers="last")
    assert set(again.lineage.pruned) == {*lineage.pruned, lineage.last_layer}


def test_a_name_may_be_said_again_and_not_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (pruned,) = apcli.prune(theirs(tmp_path, "resnet20"), sparsity=0.5, model="resnet20")
    assert pruned.lineage.model["given"] == {}
    assert apcli.load(pruned, model="resnet20", input_size=8)
    with pytest.raises(apcli.UsageError, match="resnet20 takes images of many sizes: give --input-size N"):
        apcli.load(pruned)
    with pytest.raises(apcli.UsageError, match="is 'resnet20': leave --model out"):
        apcli.load(pruned, model="resnet32", input_size=8)


def test_data_that_were_said_describe_the_network_and_the_default_does_not(tmp_path, monkeypatch):
    """Whose scale and size it is then known to take."""
    monkeypatch.chdir(tmp_path)
    file = theirs(tmp_path, "resnet20")
    for data in ("digits", None):
        options: dict[str, Any] = {"images": 20, "device": "cpu", "data": data}
        (pruned,) = apcli.prune(file, sparsity=0.5, model="resnet20", method="snip", output=f"{data}/", **options)
        known = pruned.lineage.model
        assert known["last"] == "fc.weight"
        assert (known.get("input_size"), "given" in known) == (([3, 8, 8], False) if data else (None, True))
        if data:
            assert apcli.load(pruned)


def test_a_users_network_is_remembered_without_its_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    torch.save({"1.weight": torch.randn(10, 64), "1.bias": torch.zeros(10)}, "theirs.pt")
    (pruned,) = apcli.prune("theirs.pt", sparsity=0.5, model="net.py:net", layers="last")
    assert pruned.lineage.model == {"name": "net.py:net", "source": "user", "given": {}, "last": "1.weight"}
    with pytest.raises(apcli.UsageError, match=r"own network net.py:net, whose code is not in the file: give --model"):
        apcli.finetune(pruned, epochs=0, device="cpu")
    (tuned,) = apcli.finetune(pruned, model="net.py:net", epochs=0, device="cpu", trace="none")
    assert read(tuned.path).lineage.model["input_size"] == [1, 8, 8]
