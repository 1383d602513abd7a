"""Text in columns: nothing is lost, nothing is wider than it may be."""

import re
from itertools import pairwise

import pytest

from apcli.cli.layout.text import cells, fact_lines, shortened, wrapped

SENTENCES = [
    "one",
    "apcli: resnet18.lowest-0.5.safetensors: 5839456 of 11678912 weights in 21 layers are zero (sparsity 0.5)",
    "it has encoder.layers.encoder_layer_0.self_attention.in_proj_weight, encoder.layers.encoder_layer_1.mlp.0",
    "cannot write /home/somebody/experiments/2024/resnet18.seed0.lowest-0.5.finetuned.safetensors: disk full",
    "größe 模型" * 20,
    "x" * 200,
    "  an indented line of several words, and a number 1,814,073,344 in it",
]
NUMBER = re.compile(r"(?<!\S)[\d.,]*\d(?!\S)")


def test_east_asian_characters_take_two_columns() -> None:
    assert (cells("größe"), cells("模型"), cells("")) == (5, 4, 0)


def test_names_lose_their_middle() -> None:
    assert shortened("abcdefghij", 7) == "abc…hij"
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghij", 2) == "ab"
    assert shortened("abcdefghij", 0) == ""


@pytest.mark.parametrize("text", SENTENCES)
@pytest.mark.parametrize("hang", [0, 2, 6])
def test_lines_fit_and_hold_the_whole_text(text: str, hang: int) -> None:
    for width in range(20, 121):
        lines = wrapped(text, width, hang)
        assert max(map(cells, lines)) <= width
        assert "".join("".join(lines).split()) == "".join(text.split())
        assert len(lines) == 1 or all(line.startswith(" " * min(hang, width // 2)) for line in lines[1:])
        whole = set(" ".join(lines).split())
        assert [number for number in NUMBER.findall(text) if number not in whole] == []


@pytest.mark.parametrize("text", SENTENCES)
def test_no_line_has_room_for_the_next_word(text: str) -> None:
    for width in range(20, 121):
        lines = wrapped(text, width)
        for line, after in pairwise(lines):
            assert cells(f"{line} {after.split(' ')[0]}") > width


def test_a_pipe_gets_one_line() -> None:
    assert wrapped(SENTENCES[1], None, 2) == [SENTENCES[1]]
    assert wrapped("a  b", 80) == ["a  b"]


def test_a_long_name_breaks_between_names_then_within() -> None:
    name = "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"
    assert wrapped(name, 34, 2) == ["encoder.layers.encoder_layer_0.", "  self_attention.in_proj_weight"]
    assert wrapped("self_attention_of_layer_10", 20, 2) == ["self_attention_of_", "  layer_10"]
    assert wrapped("a resnet18.lowest-0.5.safetensors", 18, 2) == ["a resnet18.", "  lowest-0.5.", "  safetensors"]


def test_no_width_is_too_small() -> None:
    assert "".join(wrapped("ab 模", 1, 2)) == "ab模"


FACTS = [("size", "46,811,248 bytes"), ("", "more of it"), ("a-long-name", "text " * 20)]


def test_facts_stand_beside_their_names() -> None:
    assert fact_lines(FACTS[:2], 13, None, 2) == ["  size         46,811,248 bytes", "               more of it"]
    assert fact_lines(FACTS[:2], 13, 80, 2) == fact_lines(FACTS[:2], 13, None, 2)
    assert fact_lines([("name-in-the-way", "text")], 6, 80) == ["name-in-the-way", "      text"]


def test_facts_stand_below_their_names_where_there_is_no_room() -> None:
    assert fact_lines(FACTS[:2], 13, 20, 2) == ["  size", "    46,811,248 bytes", "    more of it"]


@pytest.mark.parametrize("indent", [0, 2])
def test_facts_fit(indent: int) -> None:
    for width in range(20, 121):
        lines = fact_lines(FACTS, 13, width, indent)
        assert max(map(len, lines)) <= width
        assert " ".join(lines).split() == " ".join(f"{name} {text}" for name, text in FACTS).split()
