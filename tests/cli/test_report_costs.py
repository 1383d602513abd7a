"""``apcli report FILE``: costs of what is known, and one line for what is not."""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NETWORK = """
from torch import nn

def small():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))

def broken():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(7, 3))
"""


@pytest.fixture
def small(shell: Any) -> Path:
    """A file of NETWORK's ``small``, half of its convolution's weights zero."""
    (shell.folder / "net.py").write_text(NETWORK)
    conv = np.ones((4, 1, 3, 3), np.float32)
    conv[:2] = 0
    rest = {
        "0.bias": np.zeros(4, np.float32),
        "3.weight": np.ones((3, 144), np.float32),
        "3.bias": np.ones(3, np.float32),
    }
    return shell.save("small.safetensors", {"0.weight": conv, **rest})


@pytest.fixture
def fc5(shell: Any) -> Path:
    """A file with a lineage: of fc5 on 8x8 images, and its pruned file beside it."""
    widths = [64, 1000, 600, 300, 100, 10]
    tensors = {}
    for index, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        tensors[f"fc{index}.weight"] = np.full((fan_out, fan_in), 0.01, np.float32)
        tensors[f"fc{index}.bias"] = np.zeros(fan_out, np.float32)
    model = {"name": "fc5", "source": "apcli", "num_classes": 10, "input_size": [1, 8, 8], "mean": [0.0], "std": [1.0]}
    lineage = {"version": 1, "apcli": "0", "stage": "train", "model": model, "data": None, "seed": 0, "settings": []}
    lineage |= {"history": [], "metrics": {}, "dense_metrics": {}, "pruned": {}, "parent": None, "dense": None}
    return shell.save("fc5.safetensors", tensors, {"apcli": json.dumps(lineage)})


def without_torch(shell: Any, command: str) -> Any:
    """Run with a ``torch`` that cannot be imported."""
    hidden = shell.folder / "hidden"
    hidden.mkdir(exist_ok=True)
    (hidden / "torch.py").write_text("raise ImportError('torch is not for this')\n")
    return shell(command, PYTHONPATH=f"{hidden}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.mark.slow
def test_a_plain_file_needs_no_torch_and_says_what_is_missing(shell: Any, small: Path, fc5: Path) -> None:
    result = without_torch(shell, "report small.safetensors")
    assert result.code == 0, result.err
    assert "small.safetensors does not say which network it is: give --model NAME, such as" in result.out
    assert "parameters   475, 457 kept" in result.out
    (record,) = without_torch(shell, "report --json small.safetensors --no-macs").records
    assert record["macs"] is record["macs_reason"] is record["latency"] is None
    assert without_torch(shell, "report fc5.safetensors --no-macs").code == 0
    assert without_torch(shell, "report fc5.safetensors").code == 1  # so it is torch that counts there


def test_macs_where_the_lineage_names_the_network(shell: Any, fc5: Path) -> None:
    result = shell("report fc5.safetensors")
    assert (result.code, result.err) == (0, "")
    assert "MACs         875,000 dense, 875,000 nonzero, for one image of 1x8x8: speed-up 1x in theory" in result.out
    assert result.out.splitlines()[-6].split() == [
        *["fc1", "F32", "1000x64", "64,000", "0", "64,000", "0.0000", "64,000", "64,000"]
    ]


def test_a_users_network_in_json(shell: Any, small: Path) -> None:
    result = shell("report --json small.safetensors --model net.py:small --input-size 1,8,8")
    assert (result.code, result.err) == (0, "")
    (record,) = result.records
    macs = {"dense": 36 * 36 + 432, "nonzero": 18 * 36 + 432, "without_weights": 0, "dense_file": 36 * 36 + 432}
    assert {key: record["macs"][key] for key in macs} == macs
    assert record["macs"]["theoretical_speedup"] == (36 * 36 + 432) / (18 * 36 + 432)
    layer = next(tensor for tensor in record["tensors"] if tensor["name"] == "0.weight")
    assert (layer["macs"], layer["nonzero_macs"], layer["nonzero"]) == (36 * 36, 18 * 36, 18)


def test_latency(shell: Any, small: Path) -> None:
    options = "--model net.py:small --input-size 1,8,8 --latency --dense small --runs 3 --warmup 1 --device cpu -b 2"
    result = shell(f"report small.safetensors {options}")
    assert (result.code, result.err) == (0, "")
    assert "; 3 runs, batch 2, cpu (1 thread), float32" in result.out
    assert "x measured (small.safetensors)" in result.out
    assert "zeros in a dense file do not make dense kernels faster" in result.out
    assert "apcli prune --structure filter --compact" in result.out


def test_a_file_on_standard_input_beside_one_with_a_name(shell: Any, small: Path, a: Path) -> None:
    result = shell("report --json a.safetensors -", small.read_bytes())
    assert [record["path"] for record in result.records] == ["a.safetensors", "standard input"]
    assert result.records[1]["macs_reason"].startswith("standard input does not say")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--latency", ("small.safetensors does not say which network it is", "--model NAME")),
        ("--macs", ("small.safetensors does not say which network it is", "--model NAME")),
        ("--batch-size 2", ("--batch-size is 2", "--latency")),
        ("--latency --runs 1", ("--runs is 1", "at least 2")),
        ("--no-macs --model fc5", ("--model is fc5", "--macs or --latency")),
        ("--model fc5 --input-size 8x8", ("--input-size is '8x8'", "3,32,32")),
        ("--model fc5 --input-size 8,8", ("--input-size is 8,8", "channels,height,width")),
        ("--latency --output page.html", ("--output", "go with records")),
    ],
)
def test_wrong_usage(shell: Any, small: Path, options: str, words: tuple[str, ...]) -> None:
    shell.refuses(f"report small.safetensors {options}", 2, *words)


@pytest.mark.parametrize("option", ["--latency", "--macs", "--no-macs", "--model fc5", "--latency --device cpu"])
def test_records_have_no_costs(shell: Any, small: Path, option: str) -> None:
    (shell.folder / "records.jsonl").write_text('{"kind": "divergence", "version": 1}\n')
    shell.refuses(f"report records.jsonl {option}", 2, option.split()[0].replace("no-", ""), "checkpoints")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ("--model net.py:broken --input-size 1,8,8", 1, ("does not fit the model",)),
        ("--model net.py:small --input-size 1,9,9 --latency --no-macs", 1, ("its network fails on images of 1x9x9",)),
    ],
)
def test_networks_that_cannot_be(shell: Any, small: Path, options: str, code: int, words: tuple[str, ...]) -> None:
    result = shell(f"report small.safetensors {options}")
    shell.check_refusal(result, code, *words)


def test_the_number_of_classes_is_the_files_and_can_be_said(shell: Any, fc5: Path) -> None:
    for option in ("", "--num-classes 10"):
        (found,) = shell(f"report fc5 --json {option}").records
        assert found["macs"]["dense"] == sum(a * b for a, b in pairwise([64, 1000, 600, 300, 100, 10]))
    shell.refuses("report fc5 --macs --num-classes 7", 2, "--num-classes is 7: fc5.safetensors has 10")
    shell.refuses("report fc5 --num-classes 0", 2, "--num-classes is 0: expected at least 1")
