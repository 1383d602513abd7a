"""The field's other names are answered with ours."""

from typing import Any

import pytest

from apcli.cli.options.synonyms import OPTIONS, remedy


def test_what_is_named_instead_is_there(shell: Any) -> None:
    known = " ".join(shell(f"{name} --help").out for name in ("train", "prune", "finetune", "divergence", "report"))
    for ours in OPTIONS.values():
        option = ours.split()[0].rstrip(",")
        assert not option.startswith("--") or option in known, ours


def test_no_synonym_is_an_option_of_the_same_command(shell: Any) -> None:
    for command in ("train", "prune", "divergence"):
        words = shell(f"{command} --help").out.replace(",", " ").split()
        assert not {word for word in words if word in OPTIONS} - {"--warmup", "--schedule"}


@pytest.mark.parametrize(
    ("given", "words"),
    [("--amount", "--sparsity"), ("--learning_rate", "--lr"), ("--amount=3", "--sparsity"), ("--nothing-like-it", "")],
)
def test_remedies(given: str, words: str) -> None:
    assert remedy(given) == words


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("prune a --amount 0.5", ("No such option: --amount", "here it is --sparsity")),
        ("train resnet20 --learning-rate 0.1", ("here it is --lr",)),
        ("prune a --method magnitude --sparsity 0.5", ("unknown method 'magnitude'", "here it is 'lowest'")),
        ("prune a --sparsity 80", ("--sparsity is 80", "0.8 for 80 %")),
        ("divergence a a --dist normal", ("here it is 'gaussian'",)),
    ],
)
def test_none_is_silently_taken(shell: Any, a: Any, command: str, words: tuple[str, ...]) -> None:
    shell.refuses(command, 2, *words)
