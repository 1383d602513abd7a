"""The one rule of tables: at any width each row is there, and each number is whole."""

from itertools import product

import pytest

from apcli.cli.layout.tables import Column, Grid, lines_of
from apcli.cli.layout.text import cells

LONG = "encoder.layers.encoder_layer_{}.self_attention.in_proj_weight"
NAMES = {
    "resnet18": ["conv1", *(f"layer{i}.{j}.downsample.0" for i, j in product(range(1, 5), range(2)))],
    "swin": [f"layers.{i}.blocks.{j}.attn.qkv" for i, j in product(range(4), range(3))],
    "vit": [LONG.format(i) for i in range(12)],
    "files": [f"  resnet20-digits.seed{i}.lowest-0.5.finetuned.safetensors" for i in range(3)],
    "模型": ["模型" * 20 + str(i) for i in range(3)],
}
TEXT = "removes weights at random, as many of each layer as are zero in the file --like names"


def grid(names: list[str], columns: int) -> Grid:
    """A table of names, texts, words and ``columns`` numbers; each number is in it once."""
    heads = [Column("what it is", "text", rank=9), Column("state", "word", rank=8)]
    numbers = [Column(f"number {'of some kind ' * (i % 2)}{i}", rank=i) for i in range(columns)]
    rows = [
        [name, TEXT, "to be written", *(f"{(1 + i) * 1_000_003 + n:,}" for n in range(columns))]
        for i, name in enumerate(names)
    ]
    return Grid([Column("layer", "name"), *heads, *numbers], rows, "a title of some words", "a caption of some words")


def shown(made: Grid, lines: list[str]) -> list[int]:
    """The columns that are not said to be left out."""
    gone = " ".join(line.strip() for line in lines).partition("no room for: ")[2].split(", ")
    return [i for i, column in enumerate(made.columns) if column.title.strip() not in gone]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("columns", [1, 2, 4, 7])
def test_every_width_has_every_row_and_whole_numbers(names: str, columns: int) -> None:
    made = grid(NAMES[names], columns)
    for width in range(20, 121):
        lines = lines_of(made, width)
        assert max(map(cells, lines)) <= width
        kept = shown(made, lines)
        assert {0, 3} <= set(kept), "what is essential stays"
        words = {word for line in lines for word in line.split()}
        for row in made.rows:
            assert [row[i] for i in kept if i >= 3 and row[i] not in words] == []


@pytest.mark.parametrize("names", NAMES)
def test_names_stay_apart(names: str) -> None:
    """All are shortened to different texts, or all are whole, over as many lines as that takes."""
    made = Grid([Column("layer", "name"), Column("size")], [[name, "9,999"] for name in NAMES[names]])
    for width in range(20, 121):
        rows = lines_of(made, width)
        texts = ["".join(row.removesuffix("9,999").split()) for row in rows if not row.startswith("─")]
        if any("…" in text for text in texts):
            assert len(set(texts[1:])) == len(texts[1:]) == len(made.rows)
        else:
            assert all("".join(name.split()) in "".join(texts) for name in NAMES[names])


def test_columns_go_by_their_rank() -> None:
    made = grid(NAMES["resnet18"], 7)
    ranks = sorted(column.rank for column in made.columns)
    most = len(ranks)
    for width in range(300, 55, -1):
        kept = sorted(made.columns[i].rank for i in shown(made, lines_of(made, width)))
        assert len(kept) <= most
        assert kept == ranks[: len(kept)], "those of the highest rank are gone"
        most = len(kept)
    assert most < 5


def test_a_table_that_fits_is_as_it_is() -> None:
    made = Grid([Column("layer", "name"), Column("zeros")], [["fc", "1,200"], ["conv1", "-"]], "title", "caption\n  a")
    assert lines_of(made, 80) == [
        *["title", ""],
        *["layer  zeros", "────────────", "fc     1,200", "conv1      -"],
        *["", "caption", "  a"],
    ]


def test_a_pipe_gets_all_columns_and_no_rule() -> None:
    made = grid(NAMES["vit"], 7)
    head, *rows = lines_of(Grid(made.columns, made.rows), None)
    assert len(rows) == len(made.rows)
    assert all(cell in row for row, cells in zip(rows, made.rows, strict=True) for cell in cells)
    assert all(column.title.strip() in head for column in made.columns)


def test_headings_break_between_words() -> None:
    made = Grid([Column("layer", "name"), Column("PD accuracy (test)")], [["conv1", "98.50"]])
    assert lines_of(made, 16)[:3] == ["              PD", "        accuracy", "layer     (test)"]


def test_a_record_says_each_column_but_for_texts_and_blanks() -> None:
    columns = [Column("epoch"), Column("layer", "name"), Column("weights"), Column("what", "text"), Column("MACs")]
    made = Grid(columns, [["3", "a.very.long.layer.name", "1,814,073,344", "some words", "-"]])
    assert lines_of(made, 24) == [
        "a.very.long.layer.name",
        "  epoch: 3",
        "  weights: 1,814,073,344",
        "  some words",
    ]


def test_columns_without_a_value_go_first_and_are_not_missed() -> None:
    columns = [Column("layer", "name"), Column("PD", rank=1), Column("weights", rank=2)]
    made = Grid(columns, [["x" * 20, "-", "1,234"], ["y" * 20, "", "5,678"]])
    assert "PD" in lines_of(made, 80)[0]
    assert lines_of(made, 30)[0].split() == ["layer", "weights"]
    assert not any("no room" in line for line in lines_of(made, 30))


def test_a_column_without_a_title_is_not_missed() -> None:
    made = Grid([Column("file", "name"), Column("goes"), Column("", "word", rank=1)], [["a", "1,234", "channels"]])
    assert lines_of(made, 12)[-1].split() == ["a", "1,234"]


def test_an_empty_table() -> None:
    assert lines_of(Grid([Column("layer", "name"), Column("zeros", rank=1)], [], "t"), 20)[0] == "t"
