"""Networks from elsewhere: a user's own, and plain files of torchvision and timm."""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NET = """
from torch import nn

def build(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, num_classes))
"""


@pytest.fixture
def net(shell: Any) -> str:
    (shell.folder / "my").mkdir()
    (shell.folder / "my" / "net.py").write_text(NET)
    return "my/net.py:build"


@pytest.mark.slow
def test_a_users_own_network_goes_through_every_stage(shell: Any, net: str) -> None:
    pipeline = shell.bash(
        f"apcli train {net} --epochs 1 -o out | apcli prune --layers last --sparsity 0.5 "
        f"| apcli finetune --epochs 1 --lr 0.01 --model {net} | apcli divergence --dist ap2"
    )
    assert pipeline.code == 0, pipeline.err
    assert {record["layer"] for record in pipeline.records} == {"3", "*"}
    assert {record["epoch"] for record in pipeline.records} == {None, 0, 1}
    (tuned,) = {record["pruned"]["path"] for record in pipeline.records}
    assert (shell.tensors(tuned)["3.weight"] == 0).sum() == 80
    assert "my" not in Path(shell.lineage(tuned)["model"]["name"]).parts  # a file names no path to code
    pruned = tuned.replace(".finetuned", "")
    shell.refuses(f"finetune {pruned} --epochs 1 -o new", 2, "net.py:build", "--model FILE.py:function")


def test_a_users_own_network_that_fails(shell: Any, net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (shell.folder / "my" / "net.py").write_text("def build():\n\n    return 1 / 0\n")
    shell.refuses(f"train {net} --epochs 1", 1, "my/net.py:3", "ZeroDivisionError")


@pytest.mark.long
def test_a_checkpoint_is_tuned_alike_alone_and_after_another(shell: Any, net: str) -> None:
    """Dropout draws from torch's own generator, which building and evaluating other networks must not move."""
    (shell.folder / "my" / "net.py").write_text(NET.replace("nn.ReLU()", "nn.Dropout(0.5)"))
    shell.bash(f"apcli train {net} --epochs 1 -o base.safetensors | apcli prune --sparsity 0.2,0.5")
    tune = f"finetune --epochs 1 --overwrite --model {net}"
    assert shell(f"{tune} base.lowest-0.2 base.lowest-0.5").code == 0
    after_another = (shell.folder / "base.lowest-0.5.finetuned.safetensors").read_bytes()
    assert shell(f"{tune} base.lowest-0.5").code == 0
    assert (shell.folder / "base.lowest-0.5.finetuned.safetensors").read_bytes() == after_another


@pytest.mark.slow
def test_what_other_code_prints_stays_out_of_the_product(shell: Any, net: str) -> None:
    (shell.folder / "my" / "net.py").write_text(f'print("a word of the user\'s")\n{NET}')
    result = shell(f"train {net} --epochs 0 -o out.safetensors")
    assert (result.code, result.lines) == (0, ["out.safetensors"])
    assert "a word of the user's" in result.err
    assert shell(f"train {net} --epochs 0 -q -o quiet.safetensors").err == ""


def check_a_plain_file(shell: Any, path: Path, model: Any) -> None:
    """Prune every layer of a file without lineage, load it strictly, and measure the way it moved."""
    import torch
    from safetensors.torch import load_file, save_file

    torch.manual_seed(0)
    save_file(model.state_dict(), path)
    pruned = shell(f"prune {path.stem} --method lowest,random --sparsity 0.4")
    compared = shell("divergence", pruned.raw)
    assert compared.code == 0, pruned.err + compared.err
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for method in ("lowest", "random"):
        after = load_file(shell.folder / f"{path.stem}.{method}-0.4.safetensors")
        assert model.load_state_dict(after, strict=True)
        records = [r for r in compared.records if r["method"] == method]
        layers = {r["layer"] for r in records} - {"*"}
        weights = {f"{layer}.weight" for layer in layers}
        expected = {n for n, t in before.items() if n.endswith(".weight") and t.dim() >= 2}
        assert weights == expected
        moved = 0.0
        for name, tensor in before.items():
            if name in weights:
                assert int((after[name] == 0).sum()) == round(0.4 * tensor.numel())
                moved += float((tensor.double() - after[name].double()).square().sum())
            else:
                assert torch.equal(after[name], tensor)
        pooled = {r["dist"]: r["value"] for r in records if r["layer"] == "*"}
        assert pooled["ap2"] == pytest.approx(moved, rel=1e-10)
        assert pooled["gaussian"] == pytest.approx(moved / 2, rel=1e-10)
        assert 0 < pooled["student-t"] < moved / 2
        assert all(math.isfinite(record["value"]) for record in records)
    (again,) = shell(f"prune {path.stem}.lowest-0.4 --sparsity 0.7 --scope global").lines
    once, twice = (load_file(shell.folder / name) for name in (f"{path.stem}.lowest-0.4.safetensors", again))
    assert model.load_state_dict(twice, strict=True)
    assert sum(int((twice[name] == 0).sum()) for name in weights) == round(
        0.7 * sum(before[n].numel() for n in weights)
    )
    assert not any(twice[name][once[name] == 0].any() for name in weights)


@pytest.mark.slow
def test_a_plain_file_of_torchvision(shell: Any) -> None:
    from torchvision.models import shufflenet_v2_x0_5

    check_a_plain_file(shell, shell.folder / "shufflenet.safetensors", shufflenet_v2_x0_5())


@pytest.mark.slow
def test_a_plain_file_of_timm(shell: Any) -> None:
    import timm

    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, depth=2)
    check_a_plain_file(shell, shell.folder / "vit.safetensors", model)


def test_bfloat16_files_keep_their_bits(shell: Any) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    save_file({"fc.weight": weight}, shell.folder / "a.safetensors")
    shell("prune a --method highest --sparsity 0.25")
    pruned = load_file(shell.folder / "a.highest-0.25.safetensors")["fc.weight"]
    assert pruned.dtype == torch.bfloat16
    gone = pruned == 0
    assert int(gone.sum()) == 1024
    assert torch.equal(pruned[~gone], weight[~gone])
    assert weight[gone].abs().min() >= weight[~gone].abs().max()
    expected = float((weight.double() - pruned.double()).square().sum())
    value = shell("divergence a a.highest-0.25 --dist ap2").records[0]["value"]
    assert value == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(value)
