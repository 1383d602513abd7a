"""What is said to people: messages, errors and progress, on stderr."""

import logging
import os
import sys
import warnings
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apcli.cli.streams import standard, terminal
from apcli.cli.streams.standard import Streams
from apcli.progress import KEPT


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run that has begun; what it says on stderr so far."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    err = BytesIO()
    with Streams(None, None, TextIOWrapper(err, write_through=True)) as streams:
        standard.begin(streams)
        yield lambda: err.getvalue().decode()


def test_information_warnings_and_errors_are_said_alike(said: Any) -> None:
    terminal.start("prune", quiet=False)
    logging.getLogger("apcli").info("one\n  line")
    logging.getLogger("apcli").warning("beware of \x1b[2J")
    warnings.warn("another library's", stacklevel=1)
    sys.stdout.write("a word of another library's\n")
    terminal.say_error("it is\nover")
    assert said().splitlines() == [
        "apcli: one line",
        r"apcli: warning: beware of \x1b[2J",
        "apcli: warning: another library's",
        "a word of another library's",
        "apcli: error: it is over",
    ]


def test_quiet_leaves_errors(said: Any) -> None:
    terminal.start("prune", quiet=True)
    logging.getLogger("apcli").warning("nobody hears")
    sys.stdout.write("a word of another library's\n")
    terminal.say_error("it is over")
    assert said() == "apcli: error: it is over\n"


def test_a_terminal_gets_lines_that_end_between_words(shell: Any, a: Path) -> None:
    for columns in (20, 60, 80):
        done = shell("prune a --sparsity 0.3 --overwrite", terminal="stderr", COLUMNS=str(columns), TERM="dumb")
        refused = shell("prune a --sparsity 2", terminal="stderr", COLUMNS=str(columns), TERM="dumb")
        for result in (done, refused):
            first, *more = result.complaints
            assert first.startswith("apcli: ")
            assert more
            assert all(line.startswith("  ") for line in more)
            assert max(map(len, result.complaints)) <= columns
        assert "472 of 1,572" in " ".join(done.err.split())
    assert len(shell("prune a --sparsity 2", COLUMNS="20").complaints) == 1


@pytest.mark.parametrize(("asked", "columns"), [("33", 33), ("", 80), ("0", 80), ("wide", 80)])
def test_the_width_is_what_is_asked_for(monkeypatch: pytest.MonkeyPatch, asked: str, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", asked)
    with open(os.devnull, "w") as stream:
        assert terminal.columns_of(stream) == columns


@pytest.mark.parametrize(("rank", "first", "words"), [("0", True, ""), ("1", False, "process 1: ")])
def test_one_of_many_processes_says_which_it_is(
    said: Any, monkeypatch: pytest.MonkeyPatch, rank: str, first: bool, words: str
) -> None:
    assert (terminal.is_alone(), terminal.is_first()) == (True, True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    assert (terminal.is_alone(), terminal.is_first()) == (False, first)
    terminal.start("prune", quiet=False)
    logging.getLogger("apcli").info("what the first one says")
    terminal.say_error("over")
    assert said() == ("apcli: what the first one says\n" if first else "") + f"apcli: error: {words}over\n"


def test_control_characters_are_shown_not_obeyed() -> None:
    assert terminal.printable("größe\x1b[31m\r\u202e\n") == r"größe\x1b[31m\r\u202e" + "\n"


def test_progress_is_a_line_of_the_log_where_stderr_is_no_terminal(said: Any) -> None:
    terminal.start("prune", quiet=False)
    progress = terminal.progress(inputs=2)
    progress("pruning a", 0.5)
    progress.note("epoch 1/3: loss 0.5")
    progress.finished()
    assert said() == "apcli: epoch 1/3: loss 0.5\n"
    assert (progress.done, progress.total) == (1, 2)


def test_a_quiet_stage_keeps_no_lines(said: Any) -> None:
    terminal.start("prune", quiet=True)
    terminal.progress().note("epoch 1/3: loss 0.5")
    assert said() == ""


@pytest.mark.parametrize(("done", "words"), [(0, " after 0 of 2"), (1, " after 1 of 2"), (2, None)])
def test_an_end_says_how_far_the_stage_is(said: Any, done: int, words: str | None) -> None:
    terminal.start("prune", quiet=False)
    progress = terminal.progress(inputs=2)
    for _ in range(done):
        progress.finished()
    terminal.say_end("interrupted")
    rest = f"{words}: finished files are kept, run the same command again to resume\n"
    assert said() == ("" if words is None else f"apcli: prune interrupted{rest}"), "nothing is missing when all is done"


@pytest.mark.parametrize(("inputs", "where"), [(1, "closed"), (3, "closed, after 0 of 3")])
def test_a_stage_that_writes_no_file_keeps_none(said: Any, inputs: int, where: str) -> None:
    terminal.start("divergence", quiet=False, writes=False)
    terminal.progress(inputs)
    terminal.say_end("stopped, as standard output was closed,")
    assert said() == f"apcli: divergence stopped, as standard output was {where}\n"


@pytest.mark.parametrize(
    ("files", "words"),
    [(1, "x0 is already there, made the same way: kept"), (3, "3 files are already there, made the same way: kept")],
)
def test_files_that_are_there_are_said_in_one_line_on_a_terminal(screen: Any, files: int, words: str) -> None:
    master, stream = screen
    with Streams(None, None, stream) as streams:
        standard.begin(streams)
        terminal.start("prune", quiet=False)
        for i in range(files):
            logging.getLogger("apcli").info(KEPT, f"x{i}")
        assert len(streams.kept) == files
        terminal.close()
        terminal.close()
    text = ""
    while "kept" not in text:
        text += os.read(master, 1 << 16).decode()
    assert text.count("kept") == 1
    assert f"apcli: {words}" in text


def test_what_a_file_is_called_cannot_command_the_terminal(said: Any, screen: Any) -> None:
    master, stream = screen
    with Streams(None, None, stream) as streams:
        standard.begin(streams)
        terminal.start("prune", quiet=False)
        terminal.progress()("pruning \x1b[2Ja")
        text = ""
        while "pruning" not in text:
            text += os.read(master, 1 << 16).decode()
        terminal.waiting()
        assert r"pruning \x1b[2Ja" in text
    assert said() == ""


def test_nothing_but_a_terminal_gets_escape_sequences(shell: Any, a: Path) -> None:
    result = shell("prune a --sparsity 0.3")
    assert "\x1b" not in result.out + result.err


def test_quiet_silences_all_but_errors(shell: Any, a: Path) -> None:
    assert shell("prune a --sparsity 0.3").err != ""
    again = shell("prune a --sparsity 0.3,0.5 -q")
    assert (again.code, again.err) == (0, "")
    assert again.lines == ["a.lowest-0.3.safetensors", "a.lowest-0.5.safetensors"]
    shell.refuses("prune a --sparsity 2 --quiet", 2, "--sparsity")


def test_a_name_that_the_messages_cannot_show_is_escaped(shell: Any, plain: dict[str, np.ndarray]) -> None:
    shell.save("größe Ж.safetensors", {"größe.weight": plain["fc1.weight"]})
    result = shell("prune 'größe Ж' --sparsity 0.5 --layers nothing", encoding="ascii")
    assert result.code == 2
    assert r"no such layer in gr\xf6\xdfe \u0416.safetensors" in result.err
    done = shell("prune 'größe Ж' --sparsity 0.5", encoding="ascii")
    assert done.code == 0
    assert r"\u0416.lowest-0.5.safetensors: 600 of 1,200 weights" in done.err
