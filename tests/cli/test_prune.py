"""``apcli prune``: its options, its refusals, and how little it loads."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import apcli

HEAVY = {"torch", "torchvision", "timm", "scipy", "matplotlib"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory, open_shell: Callable[[Path], Any]) -> Any:
    """A shell beside an untrained network, ``fc5-digits.safetensors``."""
    shell = open_shell(tmp_path_factory.mktemp("digits"))
    assert shell("train fc5 --epochs 0").lines == ["fc5-digits.safetensors"]
    return shell


def share(shell: Any, name: str, tensor: str) -> float:
    return float((shell.tensors(name)[tensor] == 0).mean())


def made(shell: Any, command: str) -> str:
    result = shell(command)
    assert result.code == 0, result.err
    assert len(result.lines) == 1
    return str(result.lines[0])


def test_how_much_is_said_in_both_ways(shell, a):
    result = shell("prune a --sparsity 0.5")
    assert result.lines == ["a.lowest-0.5.safetensors"]
    assert "of 1,572 weights in 3 layers are zero (sparsity 0.5)" in result.err
    assert "of the model's 1,602 parameters" in result.err


def test_compression_and_single_layers(shell, a):
    name = made(shell, "prune a --compression 4 --scope global")
    assert name == "a.lowest-4x.safetensors"
    tensors = shell.tensors(name).values()
    assert sum(np.count_nonzero(tensor) for tensor in tensors) == round(1603 / 4)
    name = made(shell, "prune a --layer-sparsity conv=0.25,fc*=0.5")
    assert [share(shell, name, f"{layer}.weight") for layer in ("conv", "fc1", "fc2")] == [0.25, 0.5, 0.5]


def test_a_control_a_mask_and_a_rewound_file(shell, a, plain):
    like = made(shell, "prune a --sparsity 0.7 --scope global")
    control = made(shell, f"prune a --method random-same-layers --like {like} --seed 1")
    for name in ("conv.weight", "fc1.weight", "fc2.weight"):
        assert share(shell, control, name) == share(shell, like, name)
    shell.save("init.safetensors", {name: tensor * 2 for name, tensor in plain.items()})
    masked = made(shell, f"prune init --mask-from {like}")
    rewound = made(shell, "prune a --sparsity 0.7 --scope global --rewind-to init")
    for name, tensor in shell.tensors(masked).items():
        assert np.array_equal(tensor, shell.tensors(rewound)[name])


def test_criterion_is_another_name_for_method(shell, a):
    assert made(shell, "prune a --criterion highest --structure 2:4 --layers fc1") == "a.highest-2of4-fc1.safetensors"
    weight = shell.tensors("a.highest-2of4-fc1.safetensors")["fc1.weight"]
    assert (weight.reshape(-1, 4) != 0).sum(1).tolist() == [2] * 300


def test_json_is_of_the_dry_run(shell, a):
    result = shell("prune a --sparsity 0.5 --json")
    assert (result.code, result.out) == (2, "")
    assert "--json goes with --dry-run" in result.err
    assert shell("prune a --sparsity 0.5 --json --dry-run").records[0]["kind"] == "plan"


@pytest.mark.slow
def test_a_method_that_asks_the_network_and_filters(digits):
    name = made(digits, "prune fc5-digits --method snip --images 64 --sparsity 0.5 --layers fc4,fc5 --device cpu")
    assert [share(digits, name, f"fc{i}.weight") for i in (1, 4, 5)] == [0, 0.5, 0.5]
    name = made(digits, "prune fc5-digits --structure filter --sparsity 0.5 --compact --device cpu")
    assert digits.tensors(name)["fc5.weight"].shape == (10, 50)


@pytest.mark.long
def test_every_stage_reads_a_packed_file(digits):
    packed = made(digits, "prune fc5-digits --method highest --sparsity 0.9 --storage bitmask")
    dense = made(digits, "prune fc5-digits --method highest --sparsity 0.9")
    first = (digits.folder / dense).read_bytes()
    assert len(first) > 5 * (digits.folder / packed).stat().st_size
    (digits.folder / dense).unlink()
    assert made(digits, f"prune {packed} --sparsity 0 --storage dense") == dense
    assert (digits.folder / dense).read_bytes() == first
    answers = {}
    for name in (packed, dense):
        tuned = made(digits, f"finetune {name} --epochs 0 --device cpu")
        assert share(digits, tuned, "fc1.weight") == 0.9
        found = digits(f"divergence fc5-digits {name} --dist ap2")
        report = digits(f"report {name} --json")
        assert (found.code, report.code) == (0, 0), found.err + report.err
        answers[name] = [(record["layer"], record["value"]) for record in found.records]
        assert report.lines
    assert answers[packed] == answers[dense]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", ("the amount to remove is not given", "--sparsity")),
        ("--sparsity 0.5 --compression 2", ("--sparsity and --compression",)),
        ("--sparsity 0.5 --mask-from a", ("--sparsity and --mask-from",)),
        ("--mask-from b --method lowest", ("--mask-from", "leave --method")),
        ("--compression 0.5", ("--compression is 0.5", "1 or more")),
        ("--compression 1000", ("--compression 1000 cannot be reached", "at most")),
        ("--compression two", ("--compression", "two")),
        ("--sparsity 0.5 --compact", ("--compact", "--structure filter")),
        ("--structure 4:2", ("--structure is '4:2'", "2:4")),
        ("--structure 4:2 --sparsity 0.5", ("--structure is '4:2'",)),
        ("--structure 2:4 --sparsity 0.5", ("--sparsity and --structure",)),
        ("--structure 2:4 --scope global", ("leave --scope global out",)),
        ("--structure 3:7", ("--structure 3:7", "multiple of 7")),
        ("--structure filter --compression 2", ("--structure filter goes with --sparsity",)),
        ("--sparsity 0.5 --structure filter --method lamp", ("unknown filter method 'lamp'",)),
        ("--sparsity 0.5 --structure filter", ("a.safetensors does not say which network it is", "--model")),
        ("--sparsity 0.5 --method taylor", ("a.safetensors does not say which network it is", "--model")),
        ("--sparsity 0.5,limit", ("a.safetensors does not say which network it is", "--model")),
        (
            "--sparsity limit:eps=accuracy-1 --model fc5",
            ("limit:eps=accuracy-1 decides by the accuracy", "--validation"),
        ),
        ("--sparsity 0.5 --adjust", ("a.safetensors does not say which network it is", "--model")),
        ("--sparsity 0.5 --data digits", ("--data", "needs no network")),
        ("--sparsity 0.5 --model fc6", ("fc6",)),
        ("--sparsity 0.5 --device cpu", ("--device", "needs no network")),
        ("--sparsity 0.5 --method lookahead --model fc5 --images 9", ("--images", "lookahead needs no images")),
        ("--sparsity 0.5 --method movement", ("--method movement", "use apcli finetune --method movement")),
        ("--sparsity 0.5 --method sparsegpt --scope global", ("sparsegpt", "expected one of layer, erk, uniform+")),
        ("--structure 2:4 --method synflow", ("synflow prunes in steps",)),
        ("--sparsity 0.5 --scope global --layer-sparsity fc1=0.5", ("--layer-sparsity", "--scope global")),
        ("--layer-sparsity fc7=0.5", ("--layer-sparsity", "fc7")),
        ("--layer-sparsity fc1", ("--layer-sparsity", "'fc1'", "LAYER=SHARE")),
        ("--layer-sparsity fc1=1", ("--layer-sparsity fc1 is 1", "[0, 1)")),
        ("--method random-same-layers --sparsity 0.5", ("random-same-layers needs --like FILE",)),
        ("--method lowest --like a", ("lowest does not go with --like FILE",)),
        ("--sparsity 0.5 --min-keep -1", ("--min-keep is -1",)),
        ("--sparsity 0.5 --storage zip", ("--storage is 'zip'", "dense or bitmask")),
        ("--sparsity 0.5 --scope uniform+", ("--scope uniform+", "last is not known")),
        ("--sparsity 0.5 --scope uniform+:first=conv:last=fc9", ("fc9 is not among",)),
    ],
)
def test_refused_on_one_line_and_nothing_is_written(shell, a, options, words):
    shell.refuses(f"prune a {options}", 2, *words)


def test_a_dry_run_prints_plans_and_makes_nothing(shell, a, monkeypatch):
    command = "prune a --method lowest,random --sparsity 0.5,0.9 --seeds 0,1"
    before = {path.name for path in shell.folder.iterdir()}
    dry = shell(f"{command} --dry-run")
    assert (dry.code, {path.name for path in shell.folder.iterdir()}) == (0, before)
    assert {record["state"] for record in dry.records} == {"to be written"}
    monkeypatch.chdir(shell.folder)
    plans = apcli.plan("a", method=["lowest", "random"], sparsity=[0.5, 0.9], seeds=[0, 1])
    assert [plan.to_json() for plan in plans] == dry.records
    made = shell(command)
    assert [record["path"] for record in dry.records] == made.lines
    again = shell(f"{command} --dry-run")
    assert {record["state"] for record in again.records} == {"kept"}
    shell.refuses("prune a --sparsity 1.5 --dry-run", 2, "--sparsity is 1.5")


@pytest.mark.parametrize("option", ["--like", "--mask-from", "--rewind-to"])
def test_a_missing_or_strange_other_file(shell, a, option):
    amount = "--sparsity 0.5 " if option == "--rewind-to" else ""
    missing = shell(f"prune a {amount}{option} nowhere.safetensors")
    assert (missing.code in (1, 2), len(missing.complaints), missing.out) == (True, 1, "")
    assert "nowhere.safetensors" in missing.err
    shell.save("b.safetensors", {"conv.weight": np.ones((2, 2), np.float32)})
    shell.refuses(f"prune a {amount}{option} b.safetensors", 1, option, "is not that of a.safetensors")


@pytest.mark.slow
def test_methods_of_the_file_alone_load_no_torch(shell, a):
    """One interpreter for all of them."""
    commands = [
        "prune a --sparsity 0.5",
        "prune a --method highest,random --compression 3 --scope erk",
        "prune a --method lamp --scope global --sparsity 0.5",
        "prune a --structure 2:4 --storage bitmask",
    ]
    code = f"""
import sys
from io import BytesIO, TextIOWrapper
from apcli.cli.main import run
from apcli.cli.streams.standard import Streams
for command in {commands!r}:
    with Streams(None, TextIOWrapper(BytesIO()), TextIOWrapper(BytesIO())) as streams:
        code = run(command.split(), streams)
    print(code, *sorted({HEAVY!r} & {{name.partition('.')[0] for name in sys.modules}}), 'numpy' in sys.modules)
"""
    words = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=60, check=True, cwd=shell.folder, env=os.environ | environment
    )
    assert done.stdout.splitlines() == ["0 True"] * 4
    assert len(list(shell.folder.iterdir())) == 1 + 5
