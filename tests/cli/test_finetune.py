"""``apcli finetune``: pruning while training, and batch norm measured anew."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory, open_shell: Callable[[Path], Any]) -> Any:
    """A shell beside an untrained network, ``fc5-digits.safetensors``."""
    shell = open_shell(tmp_path_factory.mktemp("digits"))
    assert shell("train fc5 --epochs 0").lines == ["fc5-digits.safetensors"]
    return shell


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("--sparsity 0.9", "fc5-digits.lowest-0.9-cubic.finetuned.safetensors"),
        (
            "--sparsity 0.8 --method movement --schedule linear:end=0.5 --scope global --exclude fc1",
            "fc5-digits.movement-0.8-linear-end=0.5.finetuned.safetensors",
        ),
    ],
)
def test_pruning_while_training(digits, options, name):
    result = digits(f"finetune fc5-digits {options} --epochs 1 --trace none")
    assert result.lines == [name]
    assert "test accuracy" in result.err
    tensors = digits.tensors(name)
    layers = [tensors[f"fc{i}.weight"] for i in range(2 if "exclude" in options else 1, 6)]
    share = sum((x == 0).sum() for x in layers) / sum(x.size for x in layers)
    assert share == pytest.approx(0.8 if "0.8" in options else 0.9, abs=1e-5)
    lineage = digits.lineage(name)
    assert lineage["settings"][-1]["method"] == ("movement" if "movement" in options else "lowest")
    assert digits(f"report {name}").code == 0


@pytest.mark.slow
def test_a_pytorch_file_is_tuned_as_a_safetensors_file_of_its_tensors_is(digits):
    tensors = {name: torch.from_numpy(tensor) for name, tensor in digits.tensors("fc5-digits.safetensors").items()}
    average = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    torch.save({"model": tensors, "model_ema": {"module": average}}, digits.folder / "theirs.pth")
    save_file(tensors, digits.folder / "plain.safetensors")
    options = "--model fc5 --data digits --epochs 1 --batch-size 512 --trace none"
    for name in ("theirs.pth", "plain"):
        assert digits(f"finetune {name} {options}").lines == [f"{Path(name).stem}.finetuned.safetensors"]
    ours, wanted = digits.tensors("theirs.finetuned.safetensors"), digits.tensors("plain.finetuned.safetensors")
    assert all(np.array_equal(ours[name], wanted[name]) for name in wanted)
    assert digits.lineage("theirs.finetuned.safetensors")["parent"]["path"] == "theirs.pth"
    tuned = digits(f"finetune theirs.pth {options} --epochs 0 --weights-key model_ema -o average.safetensors")
    assert tuned.lines == ["average.safetensors"]
    assert not digits.tensors("average.safetensors")["fc5.weight"].any()


@pytest.mark.slow
def test_recalibration_as_a_step_of_its_own(digits):
    assert digits("train resnet20 --epochs 0").lines == ["resnet20-digits.safetensors"]
    (pruned,) = digits("prune resnet20-digits --sparsity 0.5").lines
    result = digits(f"finetune {pruned} --epochs 0 --recalibrate-bn --trace none -o recalibrated.safetensors")
    assert result.lines == ["recalibrated.safetensors"]
    before, after = digits.tensors(pruned), digits.tensors("recalibrated.safetensors")
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert {name.rpartition(".")[2] for name in moved} == {"running_mean", "running_var", "num_batches_tracked"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--sparsity 1", ["--sparsity is 1", "in [0, 1)"]),
        ("--schedule cubic", ["--schedule is cubic", "to go with --sparsity"]),
        ("--sparsity 0.5 --method taylor", ["--method taylor", "expected lowest, movement"]),
        (
            "--sparsity 0.5 --method movement --schedule one-shot",
            ["taught it anything", "give the schedule a later begin, or more --epochs"],
        ),
        ("--sparsity 0.5 --schedule cubic:power=3", ["cubic", "power"]),
        ("--sparsity 0.5 --schedule cubic:begin=0.9:end=0.1", ["begin=0.9 and end=0.1", "no earlier"]),
        ("--sparsity 0.5 --scope erk", ["--scope is 'erk'", "layer or global"]),
        ("--sparsity 0.5 --epochs 0", ["--epochs is 0"]),
        ("--recalibrate-bn", ["fc5 has no batch norm"]),
    ],
)
def test_wrong_usage_is_one_line_and_nothing_written(digits, options, words):
    epochs = "" if "--epochs" in options else "--epochs 1"
    digits.refuses(f"finetune fc5-digits {options} {epochs} --quiet", 2, *words)


@pytest.mark.slow
def test_a_sharded_checkpoint_goes_through_the_pipe(digits):
    """Cut in two by hand: pruned, fine-tuned and compared as one, each result sharded alike."""
    tensors = digits.tensors("fc5-digits.safetensors")
    halves = [[name for name in tensors if ("fc1" in name) == first] for first in (True, False)]
    placed = {}
    for number, names in enumerate(halves, 1):
        file = f"net-0000{number}-of-00002.safetensors"
        digits.save(f"sharded/{file}", {name: tensors[name] for name in names}, {"format": "pt"})
        placed |= dict.fromkeys(names, file)
    index = digits.folder / "sharded" / "net.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    pruned = digits("prune sharded/net --scope global --sparsity 0.5")
    tuned = digits("finetune --model fc5 --epochs 1", pruned.raw)
    result = digits("divergence --dist ap2 --level network", tuned.raw)
    assert result.code == 0, pruned.err + tuned.err + result.err
    final = "sharded/net.lowest-0.5.finetuned.safetensors.index.json"
    assert {record["pruned"]["path"] for record in result.records} == {final}
    assert {record["epoch"] for record in result.records} == {None, 0, 1}
    assert set(json.loads((digits.folder / final).read_text())["weight_map"].values()) == {
        f"net.lowest-0.5.finetuned-0000{number}-of-00002.safetensors" for number in (1, 2)
    }
    piped = digits("prune sharded/net --scope global --sparsity 0.5 -o -")
    (digits.folder / "piped.safetensors").write_bytes(piped.raw)
    (whole,) = digits("prune fc5-digits --scope global --sparsity 0.5").lines
    for name, tensor in digits.tensors(whole).items():
        assert np.array_equal(digits.tensors("piped.safetensors")[name], tensor)
