"""Faults in the middle of work: a process killed at any step of a write, full, broken and read-only disks.

After each, every file in place is whole, byte for byte, or absent, and the same command finishes with the result of an
undisturbed run.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faults
import numpy as np
import pytest

Content = dict[str, bytes]


def visible(folder: Path) -> Content:
    """What lies below a folder but for hidden files, which the next run removes, and saved states, whose bytes vary."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and ".resume." not in path.name
    }


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture
def prepared(shell: Any, plain: dict[str, np.ndarray]) -> Any:
    """``a.safetensors``, ``s.safetensors.index.json`` of two files, and records."""
    shell.save("a.safetensors", plain)
    half = list(plain)[:2]
    parts = {"s-1.safetensors": half, "s-2.safetensors": [name for name in plain if name not in half]}
    for part, names in parts.items():
        shell.save(part, {name: plain[name] for name in names})
    placed = {name: part for part, names in parts.items() for name in names}
    index = {"metadata": {"total_size": 1}, "weight_map": placed}
    (shell.folder / "s.safetensors.index.json").write_text(json.dumps(index))
    return shell


COMMANDS = {
    "prune": "prune a --sparsity 0.3 -o out",
    "several": "prune a --sparsity 0.3,0.8 -o out",
    "bit mask": "prune a --sparsity 0.9 --storage bitmask -o out",
    "shards": "prune s --sparsity 0.3 -o out",
}
TRAINED = {
    "train": "train fc5 --epochs 2 --images 100 --checkpoint-every 1 -o out/ -q",
    "finetune": "finetune p --model fc5 --epochs 2 --images 100 --checkpoint-every 1 --trace all -o out/ -q",
}
REPORTED = {
    "page": "report r.jsonl -o out/r.html",
    "tables": "report r.jsonl -o out/r --format csv,json,md",
    "figures": "report r.jsonl -o out/r.html --figures out/figures",
}


def undisturbed(shell: Any, command: str) -> tuple[Content, set[str]]:
    """What a command makes in ``out``, which is removed again."""
    out = shell.folder / "out"
    result = shell(command)
    assert result.code == 0, result.err
    made = visible(out), everything(out)
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    out.rmdir()
    return made


def check(shell: Any, command: str, wanted: tuple[Content, set[str]], where: str) -> None:
    """What is in place is whole, and ``check_again``."""
    out = shell.folder / "out"
    for name, content in visible(out).items():
        assert wanted[0].get(name) == content, f"{where}: {name} is not whole"
    check_again(shell, command, wanted, where)


def check_again(shell: Any, command: str, wanted: tuple[Content, set[str]], where: str) -> None:
    """The same command finishes, and leaves what an undisturbed one does."""
    out, again = shell.folder / "out", shell(command)
    assert again.code == 0, f"{where}: {again.err}"
    assert visible(out) == wanted[0], where
    assert everything(out) == wanted[1], where


def at_every_step(
    shell: Any, command: str, fault: faults.Fault, ends: Callable[[faults.Steps], bool], *, every: int = 1
) -> int:
    """Run the command with the fault at step 1, 2, … until ``ends`` says that it came to its end; how many steps."""
    wanted = undisturbed(shell, command)
    out = shell.folder / "out"
    at = 1
    while True:
        steps = faults.Steps(out, at, fault)
        ended = ends(steps)
        check(shell, command, wanted, f"step {at}")
        for path in sorted(out.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        out.rmdir()
        if ended:
            return at
        at += every


def killed_at_every_step(shell: Any, command: str, every: int = 1) -> int:
    def ends(steps: faults.Steps) -> bool:
        status = faults.in_a_process(partial(killed_at, shell, command, steps.at))
        assert status in (0, -9)
        return status == 0

    return at_every_step(shell, command, faults.killed, ends, every=every)


def refused_at_every_step(shell: Any, command: str, fault: faults.Fault, every: int = 1) -> int:
    def ends(steps: faults.Steps) -> bool:
        with faults.injected(steps):
            result = shell(command)
        if steps.seen < steps.at:
            assert result.code == 0
            return True
        if result.code:  # what goes wrong while something is removed does no harm
            assert result.code == 1
            assert len([line for line in result.complaints if "error: " in line]) == 1, result.err
            assert "cannot write" in result.complaints[-1], result.err
        assert not [path.name for path in steps.folder.rglob(".*") if "unlink" not in steps.named[steps.at - 1 :]]
        return False

    return at_every_step(shell, command, fault, ends, every=every)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_every_step_of_a_write(prepared: Any, name: str) -> None:
    assert killed_at_every_step(prepared, COMMANDS[name]) > 8


@pytest.mark.slow
@pytest.mark.parametrize("fault", [faults.FULL, faults.BROKEN], ids=["full", "broken"])
@pytest.mark.parametrize("name", COMMANDS)
def test_refused_at_every_step_of_a_write(prepared: Any, name: str, fault: faults.Fault) -> None:
    assert refused_at_every_step(prepared, COMMANDS[name], fault) > 8


@pytest.fixture
def trained(prepared: Any) -> Any:
    assert prepared("train fc5 --epochs 1 --images 100 -o d.safetensors -q").code == 0
    assert prepared("prune d --sparsity 0.5 -o p.safetensors -q").code == 0
    return prepared


@pytest.mark.long
@pytest.mark.parametrize("name", TRAINED)
def test_training_killed_at_every_step_of_a_write(trained: Any, name: str) -> None:
    assert killed_at_every_step(trained, TRAINED[name]) > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_training_killed_at_some_steps_of_a_write(trained: Any, name: str) -> None:
    assert killed_at_every_step(trained, TRAINED[name], every=17) > 1


@pytest.mark.long
@pytest.mark.parametrize("name", TRAINED)
def test_training_refused_at_every_step_of_a_write(trained: Any, name: str) -> None:
    assert refused_at_every_step(trained, TRAINED[name], faults.FULL) > 20


@pytest.fixture
def reported(prepared: Any) -> Any:
    paths = prepared("prune a --sparsity 0.3,0.8 -o pruned -q")
    records = prepared("divergence - --dist ap2,gaussian -q", paths.raw)
    assert records.code == 0
    (prepared.folder / "r.jsonl").write_bytes(records.raw)
    return prepared


@pytest.mark.slow
@pytest.mark.parametrize("name", ["page", "tables", pytest.param("figures", marks=pytest.mark.long)])
def test_a_report_killed_at_every_step_of_a_write(reported: Any, name: str) -> None:
    assert killed_at_every_step(reported, REPORTED[name], every=5 if name == "figures" else 1) > 3


@pytest.mark.slow
def test_an_index_that_is_overwritten_is_never_one_of_two_results(prepared: Any) -> None:
    """Killed at any step, the index lists files of one result, or is gone: then the same command makes it."""
    command = "prune s --sparsity 0.8 -o out --overwrite"
    wanted = undisturbed(prepared, command)
    at = 0
    while True:
        at += 1
        assert prepared("prune s --sparsity 0.3 -o out/s.lowest-0.8.safetensors.index.json --overwrite").code == 0
        before = visible(prepared.folder / "out")
        status = faults.in_a_process(partial(killed_at, prepared, command, at))
        there = visible(prepared.folder / "out")
        if "s.lowest-0.8.safetensors.index.json" in there:
            assert there in (before, wanted[0]), at
        check_again(prepared, command, wanted, f"step {at}")
        if status == 0:
            break
    assert at > 8


def killed_at(shell: Any, command: str, at: int) -> int:
    with faults.injected(faults.Steps(shell.folder / "out", at, faults.killed)):
        return int(shell(command).code)
