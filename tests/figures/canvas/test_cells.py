"""Heat maps."""

import pytest
from studies import LOOKS

from apcli.figures.canvas.cells import Block, Column, cells
from apcli.figures.canvas.marks import Area, Dots, Words
from apcli.figures.canvas.panels import WIDTH, Sheet

COLUMNS = [Column(LOOKS[method], f"{share}") for method in ("lowest", "random") for share in (0.1, 0.5, 0.9)]


def test_values_have_places_between_the_ends():
    linear, low, high = Block("sparsity", {(0, 0): 0.0, (0, 1): 0.4, (1, 0): 0.8}).places()
    assert (linear, low, high) == ({(0, 0): 0.0, (0, 1): 0.5, (1, 0): 1.0}, "0", "0.8")
    logarithmic, low, high = Block("AP2", {(0, 0): 0.0, (0, 1): 0.1, (1, 0): 10.0, (1, 1): 1.0}, log=True).places()
    assert logarithmic == {(0, 0): 0.0, (0, 1): 0.0, (1, 0): 1.0, (1, 1): pytest.approx(0.5)}
    assert (low, high) == ("0.1", "10")
    assert Block("AP2", {(0, 0): 3.0}, log=True).places()[0] == {(0, 0): 1.0}
    assert Block("AP2", {(0, 0): 0.0}).places()[0] == {(0, 0): 0.0}


@pytest.mark.parametrize(("blocks", "rows", "columns"), [(1, 2, 2), (5, 20, 6), (3, 100, 60), (2, 3, 300)])
def test_everything_stays_within_the_column(blocks, rows, columns):
    sheet = Sheet()
    values = {(row, column): 1.0 + row for row in range(rows) for column in range(columns)}
    made = [Block(f"AP3 number {number}", values) for number in range(blocks)]
    cells(sheet, made, [f"layer{row}.conv1" for row in range(rows)], (COLUMNS * 50)[:columns])
    squares = [mark for mark in sheet.marks if isinstance(mark, Area) and mark.name]
    assert len(squares) == blocks * rows * columns
    assert max(x for mark in squares for x, _ in mark.places) <= WIDTH
    assert max(y for mark in squares for _, y in mark.places) < sheet.bottom
    assert min(x for mark in squares for x, _ in mark.places) > 50
    assert len({tuple(mark.places) for mark in squares}) == len(squares)


def test_titles_are_whole():
    sheet = Sheet()
    titles = ["AP2", "AP3 gaussian cov=activation groups=100", "AP3 student-t"]
    cells(sheet, [Block(title, {(0, 0): 1.0}) for title in titles], ["fc"], COLUMNS)
    bold = [mark for mark in sheet.marks if isinstance(mark, Words) and mark.bold]
    lines = {}
    for mark in sorted(bold, key=lambda mark: mark.place[1]):
        lines.setdefault(mark.place[0], []).append(mark.text)
    assert {" ".join(text) for text in lines.values()} == set(titles)
    squares = [mark for mark in sheet.marks if isinstance(mark, Area) and mark.name]
    assert max(mark.place[1] for mark in bold) < min(y for mark in squares for _, y in mark.places)


def test_a_sign_stands_above_the_columns_of_its_method():
    sheet = Sheet()
    cells(sheet, [Block("AP2", {(0, column): 1.0 for column in range(6)})], ["fc"], COLUMNS)
    signs = [mark for mark in sheet.marks if isinstance(mark, Dots)]
    assert [mark.color for mark in signs] == [LOOKS["lowest"].color, LOOKS["random"].color]
    below = [mark for mark in sheet.marks if isinstance(mark, Words) and mark.turned]
    assert [mark.text for mark in below] == ["0.1", "0.5", "0.9"] * 2
    assert signs[0].places[0][0] == pytest.approx(below[1].place[0])
