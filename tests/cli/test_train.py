"""``apcli train``: paths of what was made, and what is refused in one line."""

from typing import Any

import pytest


def test_a_checkpoint_s_path_is_printed_and_its_settings_are_those_given(shell: Any) -> None:
    result = shell("train fc5 --epochs 0 --seeds 3,4 --lr 0.5 --batch-size 64 -o out/")
    assert result.code == 0, result.err
    assert result.lines == ["out/fc5-digits.seed3.safetensors", "out/fc5-digits.seed4.safetensors"]
    lineage = shell.lineage(result.lines[1])
    (settings,) = lineage["settings"]
    assert (lineage["seed"], settings["lr"], settings["batch_size"], settings["epochs"]) == (4, 0.5, 64, 0)
    again = shell("train fc5 --epochs 0 --seeds 3,4 --lr 0.5 --batch-size 64 -o out/ --quiet")
    assert (again.lines, again.err) == (result.lines, "")
    shell.refuses("train fc5 --epochs 0 --seeds 3 --lr 0.25 -o out/fc5-digits.seed3.safetensors", 2, "--overwrite")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", ("MODEL", "train --help")),
        ("train fc5 --epochs few", ("--epochs", "few", "whole number")),
        ("train fc5 --epochs 1.5", ("--epochs", "1.5")),
        ("train fc5 --epochs -1", ("--epochs is -1",)),
        ("train fc5 --epochs 100 --eval-only", ("--epochs 100 and --eval-only are both given",)),  # even the default
        ("train fc5 --lr fast", ("--lr", "fast")),
        ("train fc5 --lr 0", ("--lr is 0",)),
        ("train fc5 --batch-size 0", ("--batch-size is 0",)),
        ("train fc5 --rename a=b", ("--rename", "--weights")),
        ("train fc5 fc12", ("fc12", "train --help")),
    ],
)
def test_a_wrong_option(shell: Any, command: str, words: tuple[str, ...]) -> None:
    shell.refuses(command, 2, *words)


# ---- models and data (each of these loads torch)


def test_several_models_have_names_of_their_own_and_a_wrong_one_stops_all(shell: Any) -> None:
    result = shell("train fc5,resnet20 --data digits --epochs 0 -o out/")
    assert result.lines == ["out/fc5-digits.safetensors", "out/resnet20-digits.safetensors"]
    shell.refuses("train fc5,fc55 --epochs 0 -o new/", 2, "unknown model 'fc55'")
    shell.refuses("train fc5 --data digits,digit --epochs 0 -o new/", 2, "unknown data set 'digit'")
    shell.refuses("train fc5,fc12 --epochs 0 -o one.safetensors", 2, "is one file but several")


def test_an_unknown_data_set(shell: Any) -> None:
    shell.refuses("train fc5 --data digitz --epochs 1", 2, "unknown data set 'digitz'", "digits", "cifar10")


def test_a_folder_given_as_a_data_set_is_named_as_one(shell: Any) -> None:
    (shell.folder / "pics").mkdir()
    shell.refuses("train fc5 --data pics --epochs 1", 2, "is given as folder:pics; known are digits")
    shell.refuses("train fc5 --data ./pics --epochs 1", 2, "is given as folder:./pics;")


def test_missing_data_says_what_brings_it(shell: Any) -> None:
    shell.refuses("train fc5 --data cifar10 --data-dir nowhere", 2, "cifar10", "nowhere", "--download")


def test_a_loss_that_is_no_number(shell: Any) -> None:
    shell.refuses("train fc5 --epochs 3 --lr 1e30 --quiet", 1, "loss is no longer finite", "--lr")
