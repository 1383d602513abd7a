"""Several processes in one folder: nothing is mixed, nothing is lost, and each result is that of a process alone."""

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PIPELINE = "apcli prune a --sparsity {0} -o . -q | apcli divergence --dist ap2 --json -q > {0}.jsonl"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def both(shell: Any, command: str, others: str | None = None) -> list[tuple[int, str]]:
    """The exit codes and the messages of two processes at once."""
    pipe = subprocess.PIPE
    started = [shell.start(words, stdout=pipe, stderr=pipe) for words in (command, others or command)]
    return [(process.wait(120), process.communicate()[1].decode()) for process in started]


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", "--overwrite", "--storage bitmask"])
def test_two_processes_make_the_same_file(shell: Any, a: Path, options: str) -> None:
    assert shell(f"prune a --sparsity 0.5 {options} -o alone").code == 0
    assert [code for code, _ in both(shell, f"prune a --sparsity 0.5 {options} -o both")] == [0, 0]
    assert contents(shell.folder / "both") == contents(shell.folder / "alone")


@pytest.mark.slow
def test_two_processes_make_different_files_of_one_name(shell: Any, a: Path) -> None:
    """One of the two is there, whole; nothing of the other."""
    commands = [f"prune a --sparsity {sparsity} -o x.safetensors" for sparsity in (0.3, 0.8)]
    ends = both(shell, *commands)
    assert {code for code, _ in ends} <= {0, 2}
    assert all("x.safetensors exists and was made with other settings" in said for code, said in ends if code)
    zeros = {name: int((tensor == 0).sum()) for name, tensor in shell.tensors("x.safetensors").items()}
    assert zeros["fc1.weight"] in (360, 960)
    promised = {name: promise["zeros"] for name, promise in shell.lineage("x.safetensors")["pruned"].items()}
    assert all(zeros[name] == count for name, count in promised.items())
    assert {path.name for path in shell.folder.iterdir()} == {"a.safetensors", "x.safetensors"}


@pytest.mark.long
def test_two_processes_train_the_same_network(shell: Any) -> None:
    command = "train fc5 --epochs 3 --checkpoint-every 1 --images 200 -q -o"
    assert shell(f"{command} alone.safetensors").code == 0
    ends = both(shell, f"{command} both.safetensors")
    assert [code for code, _ in ends] == [0, 0], ends
    there = contents(shell.folder)
    assert there["both.safetensors"] == there["alone.safetensors"]
    assert set(there) == {"both.safetensors", "alone.safetensors"}


@pytest.mark.long
def test_twenty_pipelines_at_once_in_one_folder(shell: Any, plain: dict[str, np.ndarray]) -> None:
    """Those of one sparsity write the same file at the same time, and every one makes its records from a whole one."""
    shell.save("a.safetensors", plain)
    sparsities = [f"{number / 10}" for number in range(1, 6)] * 4
    lines = (PIPELINE.format(sparsity).replace(".jsonl", f".{i}.jsonl") for i, sparsity in enumerate(sparsities))
    script = "\n".join(f"({line} || touch failed) &" for line in lines) + "\nwait"
    result = shell.bash(script)
    there = contents(shell.folder)
    assert "failed" not in there, result.err
    assert not [name for name in there if name.startswith(".")]
    records = {name: content for name, content in there.items() if name.endswith(".jsonl")}
    assert len(records) == 20
    for sparsity in set(sparsities):
        own = [content for name, content in records.items() if re.fullmatch(rf"{sparsity}\.\d+\.jsonl", name)]
        assert len(own) == 4
        assert len(set(own)) == 1
        shell.save("alone/a.safetensors", plain)
        alone = shell(f"prune alone/a --sparsity {sparsity} -q").lines
        assert (shell.folder / alone[0]).read_bytes() == there[f"a.lowest-{sparsity}.safetensors"]
