"""``apcli export``."""

import json
from typing import Any

import pytest
import torch

from apcli.stages.export import FORMATS


@pytest.fixture
def base(shell: Any) -> str:
    assert shell("train fc5 --data digits --epochs 0 -o base.safetensors").code == 0
    return "base.safetensors"


@pytest.mark.slow
def test_products_are_paths_and_a_pipe_brings_checkpoints(shell: Any, base: str) -> None:
    pruned = shell(f"prune {base} --structure filter --sparsity 0.5 --compact")
    result = shell("export --format torch-export -o out/", stdin=pruned.raw)
    assert result.lines == ["out/base.l1-0.5-filter.compact.pt2"], result.err
    assert "the logits of base.l1-0.5-filter.compact.safetensors to " in result.err
    assert torch.export.load(shell.folder / result.lines[0]).module()(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    again = shell("export --format torch-export -o out/", stdin=pruned.raw)
    assert again.lines == result.lines
    assert "already there, made the same way: kept" in again.err


def test_what_a_library_cannot_build_is_refused_in_words(shell: Any, base: str) -> None:
    shell.refuses(f"export {base} --format torchvision", 2, "is a fc5 of apcli, which torchvision does not have")
    shell.refuses(f"export {base}", 2, "--format is not given: expected one or more of", *FORMATS.names)
    shell.refuses(f"export {base} --format timm -o -", 2, "--output - is for checkpoints")
    shell.refuses(f"export {base} --format torch-export --batch-size 0", 2, "--batch-size is 0")


def test_a_file_that_lost_its_zeros_is_not_exported(shell: Any, base: str) -> None:
    shell(f"prune {base} --sparsity 0.5 -o half.safetensors")
    whole = {name: tensor + 1 for name, tensor in shell.tensors("half.safetensors").items()}
    shell.save("lost.safetensors", whole, {"apcli": json.dumps(shell.lineage("half.safetensors"))})
    shell.refuses("export lost --format torch-export", 3, "its lineage promises")
