"""The live line: what it holds at each width, who draws it, and that nothing is ever glued to it."""

import os
import pty
import time
from dataclasses import replace
from itertools import product
from typing import TextIO

import pytest

from apcli.cli.streams.live import ERASE, Line, Turn, erasing, line_of, takes_a_line
from apcli.progress import Status

STATUS = Status("a.safetensors: epoch 3/20", 0.42, ("loss 0.31", "accuracy 91.2 %", "2 min 00 s left"), (3, 39))


def shown(master: int) -> str:
    return os.read(master, 1 << 16).decode()


def test_a_wide_line_has_everything() -> None:
    assert line_of("finetune", STATUS, 120) == (
        "finetune 3 of 39: ━━━━━━━━──────────── 42 % a.safetensors: epoch 3/20, loss 0.31, accuracy 91.2 %, "
        "2 min 00 s left"
    )


def test_the_bar_shrinks_first_then_the_text_then_numbers_go_from_the_last() -> None:
    status = replace(STATUS, text="resnet20-digits.seed0.lowest-0.5.finetuned: epoch 3/20")
    lines = [line_of("finetune", status, width) for width in range(160, 20, -1)]
    bars = [line.count("━") + line.count("─") for line in lines]
    texts = [status.text in line for line in lines]
    numbers = [[fact in line for fact in status.facts] for line in lines]
    assert (bars[0], texts[0], numbers[0]) == (20, True, [True] * 3)
    assert bars[texts.index(False)] == 0, "the bar is gone when the text begins to lose its middle"
    first_gone = numbers.index([True, True, False])
    assert not texts[first_gone - 1], "the text is shortened before a number goes"
    assert all(row in ([True] * 3, [True, True, False], [True, False, False], [False] * 3) for row in numbers)
    assert numbers[-1] == [False] * 3


@pytest.mark.parametrize("text", ["a.safetensors: epoch 3/20", "größe", "模型" * 30, "x" * 300])
def test_no_line_is_longer_than_the_terminal(text: str) -> None:
    from rich.cells import cell_len

    for width, share in product(range(140), (None, 0.0, 0.5, 1.0)):
        assert cell_len(line_of("prune", Status(text, share, STATUS.facts, (3, 39)), width)) <= width


def test_what_is_not_known_is_not_shown() -> None:
    assert line_of("prune", Status("reading a"), 80) == "prune: reading a"
    assert line_of("prune", Status("reading a", place=(1, 0)), 80) == "prune: reading a"
    assert line_of("prune", Status("reading a", place=(4, 0)), 80) == "prune 4: reading a"


def test_a_clock_shows_what_takes_long() -> None:
    assert line_of("prune", Status("reading a"), 80, clock="12 s") == "prune: reading a, 12 s"


def test_a_share_says_enough_where_the_text_would_be_a_stump() -> None:
    assert line_of("finetune", Status("a.safetensors: epoch 3/20", 0.42), 17) == "finetune: 42 %"
    assert line_of("finetune", Status("loading data"), 17) == "finetune: loa…ata"


def test_one_process_draws_at_a_time(screen: tuple[int, TextIO]) -> None:
    _, stream = screen
    one, two = Turn(stream), Turn(stream)
    assert one.take()
    assert one.take(), "it is ours already"
    assert not two.take()
    one.give()
    assert two.take()
    two.close()
    assert one.take()
    one.close()


def test_messages_stand_above_the_line(screen: tuple[int, TextIO]) -> None:
    master, stream = screen
    line = Line(stream, "prune")
    line.show(Status("reading a"))
    assert shown(master) == f"{ERASE}prune: reading a"
    line.write("apcli: hello\n")
    text = shown(master)
    while not text.endswith("reading a"):
        text += shown(master)
    assert text == f"{ERASE}apcli: hello\r\n{ERASE}prune: reading a"
    line.show(Status(""))
    assert shown(master) == ERASE
    line.write("apcli: alone\n")
    assert shown(master) == "apcli: alone\r\n", "nothing is drawn, so nothing is erased"
    line.close()


def test_a_message_erases_the_line_of_another_stage(screen: tuple[int, TextIO]) -> None:
    master, stream = screen
    drawing, other = Line(stream, "train"), Line(stream, "prune")
    drawing.show(Status("a: epoch 1/2"))
    shown(master)
    other.show(Status("reading a"))
    other.write("apcli: hello\n")
    assert shown(master) == f"{ERASE}apcli: hello\r\n", "and does not draw its own"
    drawing.close()
    other.close()


def test_a_process_without_a_line_erases_that_of_another(screen: tuple[int, TextIO]) -> None:
    _, stream = screen
    assert erasing(stream) == ""
    drawing = Turn(stream)
    drawing.take()
    assert erasing(stream) == ERASE
    drawing.close()
    assert erasing(stream) == ""


def test_a_stage_draws_when_the_other_has_finished(screen: tuple[int, TextIO]) -> None:
    master, stream = screen
    first, second = Line(stream, "train"), Line(stream, "prune")
    first.show(Status("a: epoch 1/2"))
    second.show(Status("reading a"))
    shown(master)
    first.close()
    end, text = time.monotonic() + 20, ""
    while "prune: reading a" not in text and time.monotonic() < end:  # by its own clock
        text += shown(master)
    second.close()
    assert "prune: reading a" in text


def test_a_terminal_that_is_gone_stops_nothing() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        line = Line(stream, "prune")
        os.close(master)
        line.show(Status("reading a"))
        assert line.write("apcli: hello\n") is None
        line.close()


def test_where_a_line_can_be_drawn(monkeypatch: pytest.MonkeyPatch, screen: tuple[int, TextIO]) -> None:
    _, stream = screen
    monkeypatch.setenv("TERM", "xterm")
    assert takes_a_line(stream)
    assert not takes_a_line(None)
    monkeypatch.setenv("TERM", "dumb")
    assert not takes_a_line(stream)
    with open(os.devnull, "w") as nowhere:
        assert not takes_a_line(nowhere)
