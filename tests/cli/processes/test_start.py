"""Start-up: help that loads nothing heavy, the words of the command line, and broken installations."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
COMMANDS = ("train", "prune", "finetune", "divergence", "report")
HEAVY = ("torch", "torchvision", "timm", "numpy", "scipy", "safetensors", "matplotlib", "rich", "pyro")
WATCH = f"""
import sys
from io import BytesIO, TextIOWrapper
from apcli.cli.main import run
from apcli.cli.streams.standard import Streams
for line in sys.stdin:
    with Streams(None, TextIOWrapper(BytesIO()), TextIOWrapper(BytesIO())) as streams:
        code = run(line.split(), streams)
    print(code, line.strip(), *[name for name in {HEAVY!r} if name in sys.modules])
"""


def test_help_and_wrong_options_load_nothing_heavy() -> None:
    """One interpreter for all of them: what one loads is named after it, and after all that follow."""
    helps = ["--help", "-h", "--version", *(f"{command} --help" for command in COMMANDS)]
    refused = ["", "train fc5 --epochs few"]
    words = [sys.executable, "-c", WATCH]
    text = "\n".join(helps + refused)
    done = subprocess.run(words, input=text, capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        *(f"0 {line}" for line in helps),
        *(f"2 {line}".rstrip() for line in refused),
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_the_command_and_every_option(shell: Any, command: str) -> None:
    result = shell(f"{command} -h")
    assert (result.code, result.err) == (0, "")
    assert result.out == shell(f"{command} --help").out
    assert f"apcli {command}" in result.out
    assert command in shell("--help").out
    assert "--output" in result.out or command == "divergence"
    assert "--quiet" in result.out


def test_version_is_the_packages(shell: Any) -> None:
    from apcli import __version__

    assert shell("--version").out == f"apcli {__version__}\n"


def test_options_are_accepted_in_snake_case(shell: Any) -> None:
    shell.refuses("train fc5 --data_dir x --weight_decay 0 --no_pretrained --batch_size=0", 2, "--batch-size is 0")


def test_words_that_are_no_options_keep_their_underscores(shell: Any, a: Path) -> None:
    a.rename(shell.folder / "my_model.safetensors")
    result = shell("prune my_model --sparsity 0.3 -o out_here")
    assert result.lines == ["out_here/my_model.lowest-0.3.safetensors"]


def test_criterion_is_another_word_for_method(shell: Any, a: Path) -> None:
    assert shell("prune a --criterion highest --sparsity 0.3").lines == ["a.highest-0.3.safetensors"]


@pytest.mark.slow
def test_a_torchvision_of_another_torch_is_met_with_the_remedy(shell: Any, tmp_path: Path) -> None:
    broken = tmp_path / "site" / "torchvision"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    shell.refuses(
        "train torchvision:resnet18 --epochs 1",
        1,
        "operator torchvision::nms does not exist",
        "torch and torchvision",
        "pip install",
        PYTHONPATH=str(broken.parent),
    )
