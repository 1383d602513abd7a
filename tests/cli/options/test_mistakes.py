"""Mistakes on the command line: each is answered with what was given, and with what to give."""

import re
from typing import Any

import pytest

from apcli.cli.main import commands


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("finetune a --sparsity 50%", "--sparsity is '50%': expected a number: give 0.5 (see apcli finetune --help)"),
        ("finetune a --validation=1/8", "--validation is '1/8': expected a number: give 0.125 (see"),
        ("finetune a --label_smoothing 0,1", "--label-smoothing is '0,1': expected a number: give 0.1 (see"),
        ("prune a --sparsity 0.5 --min-keep few", "--min-keep is 'few': expected a number (see apcli prune --help)"),
        ("train fc5 -b few", "--batch-size is 'few': expected a whole number (see apcli train --help)"),
        ("train fc5 -b3.5", "--batch-size is '3.5': expected a whole number (see"),
        ("prune a --epochs 3", "No such option: --epochs: it is an option of train and finetune (see apcli prune"),
        ("prune a --learning_rate 3", "--learning-rate: here it is --lr, an option of train and finetune (see"),
        ("train fc5 --learning_rate 3", "No such option: --learning-rate: here it is --lr (see apcli train --help)"),
        (
            "list --model x",
            "--model: it is an option of prune, finetune, divergence, bounds, behaviour, report and export (see apcli",
        ),
    ],
)
def test_a_mistake_is_answered(shell: Any, a: Any, command: str, words: str) -> None:
    shell.refuses(command, 2, words)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "prune a --sparsity 50%",
            "--sparsity is '50%': expected numbers separated by commas, as in 0.1,0.3: give ",
        ),
        ("prune a --sparsity '30 %, 50 %'", ": give 0.3,0.5"),
        ("prune a --sparsity 1/2", ": give 0.5"),
        ("prune a --sparsity .5,", ": give .5"),
        (
            "prune a --sparsity 0,5",
            "--sparsity is '0,5': expected numbers separated by commas, as in 0.1,0.3: give ",
        ),
        ("prune a --sparsity 0,3,0,5", ": give 0.3,0.5"),
        ("prune a --sparsity 50", "as 0.5 for 50 %"),
        ("prune a --layer-sparsity fc*=50%,conv=0.1", ": give fc*=0.5,conv=0.1"),
        ("prune a --layer-sparsity conv=0,3,fc*=0,5", ": give conv=0.3,fc*=0.5"),
        (
            "finetune a --validation 10",
            "--validation is 10: expected a share of the training images, in [0, 1), as 0.1",
        ),
        ("finetune a --label-smoothing 10", "as 0.1 for 10 %"),
        ("finetune a --drop-path 10", "as 0.1 for 10 %"),
        ("finetune a --teacher dense --distill 50", "in [0, 1], as 0.5 for 50 %"),
        ("train fc5 --sched cosine:min_lr=1%", "as in key=0.0: give 0.01"),
    ],
)
def test_shares_are_answered_with_the_share(shell: Any, a: Any, command: str, words: str) -> None:
    shell.refuses(command, 2, words)


def test_a_compression_is_no_share(shell: Any, a: Any) -> None:
    assert "give" not in shell("prune a --compression 50%").err


@pytest.mark.slow
def test_every_option_may_be_written_with_underscores(shell: Any) -> None:
    """As Python's keywords are."""
    written = 0
    for name, command in commands().items():
        options = [one for one in command.params if one.param_type_name == "option"]
        for option in options:
            words = [each for each in (*option.opts, *option.secondary_opts) if "-" in each[2:]]
            for word in words:
                plain = f"--{word.removeprefix('--').replace('-', '_')}"
                result = shell(f"{name} {plain} {'' if option.is_flag else 1} --help")
                assert (result.code, result.err) == (0, ""), plain
                written += 1
    assert written > 60
    assert re.search("No such option:? '?--batch-sizes", shell("prune a --batch_sizes 3").err), (
        "which would not be there"
    )
