"""Two processes that train one network, as ``torchrun`` starts them."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from apcli.checkpoints.reading import read

pytestmark = pytest.mark.long  # several processes import torch each


def together(shell: Any, command: str, folders: tuple[str, str] = ("", "")) -> list[tuple[int, str, str]]:
    """Run a command in two processes that know of each other; the exit code, stdout and stderr of each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "apcli", *command.split()],
            cwd=shell.folder / folders[rank],
            env={**shell.environment, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *words) for process, words in zip(processes, said, strict=True)]


NET = """
from torch import nn

def net(num_classes=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, num_classes))
"""


def same(one: Path, two: Path) -> None:
    first, second = load_file(one), load_file(two)
    for entry, other in zip(*(read(path).lineage.history for path in (one, two)), strict=True):
        for split in {"running", "train", "test"} & entry.keys():
            assert other[split]["accuracy"] == pytest.approx(entry[split]["accuracy"], abs=0.15), split
            assert other[split]["loss"] == pytest.approx(entry[split]["loss"], rel=1e-3), split
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-4, atol=1e-5)
        assert torch.equal(second[name] == 0, tensor == 0), name


def test_two_processes_train_as_one_does(shell: Any) -> None:
    """Batches of 131: parts that differ in size, and a last one of one image (1,442 = 11 x 131 + 1), for one alone."""
    (shell.folder / "net.py").write_text(NET)
    options = "--epochs 2 --batch-size 131 --augment none --lr 0.1 --momentum 0.9"
    first, second = together(shell, f"train net.py:net {options} --accumulate 4 -o two.safetensors")
    assert first[:2] == (0, "two.safetensors\n"), first[2]
    assert second == (0, "", "")
    assert first[2].count("two.safetensors: test accuracy") == 1
    shell(f"train net.py:net {options} -o one.safetensors --quiet")
    same(shell.folder / "one.safetensors", shell.folder / "two.safetensors")

    shell("prune one --sparsity 0.5 --quiet")
    tuning = "finetune one.lowest-0.5 --model net.py:net --sparsity 0.8 --schedule cubic:every=1 --scope global"
    first, second = together(shell, f"{tuning} {options} -o tuned2.safetensors")
    assert (first[0], second) == (0, (0, "", "")), first[2]
    shell(f"{tuning} {options} -o tuned1.safetensors --quiet")
    same(shell.folder / "tuned1.safetensors", shell.folder / "tuned2.safetensors")
    assert not list(shell.folder.glob("*.resume.pt"))


@pytest.mark.parametrize("form", ["proximal", "subgradient"])
def test_an_l1_penalty_counts_once(shell: Any, form: str) -> None:
    (shell.folder / "net.py").write_text(NET)
    options = f"--epochs 1 --batch-size 131 --augment none --lr 0.1 --l1 0.01 --l1-form {form}"
    first, second = together(shell, f"train net.py:net {options} -o two.safetensors")
    assert (first[0], second) == (0, (0, "", "")), first[2]
    shell(f"train net.py:net {options} -o one.safetensors --quiet")
    same(shell.folder / "one.safetensors", shell.folder / "two.safetensors")


def test_what_many_processes_cannot_share_is_refused_once(shell: Any) -> None:
    for command, words in (
        ("finetune", "cannot share standard input"),
        ("train fc5 -o -", "--output - needs a single process"),
        ("train fc5 --epochs -1", "--epochs is -1"),
    ):
        first, second = together(shell, command)
        assert (first[0], first[1], second) == (2, "", (2, "", "")), command
        assert words in first[2]
        assert len(first[2].splitlines()) == 1
    assert os.listdir(shell.folder) == []


PARTLY = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body, self.head = nn.Linear(64, 32), nn.Linear(32, classes)
        self.auxiliary, self.unused = nn.Linear(32, classes), nn.Linear(3, 3)

    def forward(self, images):
        hidden = torch.tanh(self.body(images.flatten(1)))
        return (self.head(hidden), self.auxiliary(hidden)) if self.training else self.head(hidden)

def net(num_classes=10):
    return Net(num_classes)
"""


def test_parameters_outside_the_loss_stay_as_in_one_process(shell: Any) -> None:
    """An unused layer, and an auxiliary head that only training has: no decay and no momentum moves them."""
    (shell.folder / "net.py").write_text(PARTLY)
    options = "--epochs 1 --batch-size 131 --augment none --lr 0.1 --momentum 0.9 --weight-decay 0.01"
    first, second = together(shell, f"train net.py:net {options} -o two.safetensors")
    assert first[:2] == (0, "two.safetensors\n"), first[2]
    assert second == (0, "", "")
    assert "find_unused" not in first[2]
    shell(f"train net.py:net {options} -o one.safetensors --quiet")
    same(shell.folder / "one.safetensors", shell.folder / "two.safetensors")
    one, two = (load_file(shell.folder / f"{name}.safetensors") for name in ("one", "two"))
    for name in ("unused.weight", "auxiliary.weight"):
        assert torch.equal(one[name], two[name])


def test_a_usage_error_of_another_process_is_said(shell: Any) -> None:
    """A machine that lacks what the first one has."""
    command = "train fc5 --weights theirs.safetensors --epochs 1"
    shell.save("first/theirs.safetensors", {"fc.weight": np.ones((2, 2), np.float32)})
    (shell.folder / "second").mkdir()
    (_, (code, out, said)) = together(shell, command, folders=("first", "second"))
    assert (code, out) == (2, "")
    assert said.splitlines()[-1] == (  # torch has its own words for a first process that is gone
        "apcli: error: process 1: no file theirs.safetensors (nor with .safetensors): expected a safetensors file or a "
        "PyTorch state dict"
    )
