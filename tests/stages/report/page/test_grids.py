"""Tables as the page shows them: headings of groups with their unit, at most nine columns, aligned cells."""

from apcli.stages.report.page.grids import MOST, ROOM, SHOWN, grid
from apcli.stages.report.tables.columns import Column, table_of


def column(name, *cells, **more):
    return Column(name, cells or (1.0, 2.0), **more)


def test_neighbours_share_a_heading_with_their_unit():
    table = table_of("t", "Title", [
        column("method", "a", "b"),
        column("dense", 91.0, 92.0, group="accuracy", unit="%"),
        column("final", 90.0, 80.0, group="accuracy", unit="%"),
        column("ratio", 1.0, 3.0, group="cost", unit="×"),
        column("time", 4.0, 3.0, group="cost", unit="ms"),
    ])  # fmt: skip
    shown = grid(table)
    assert [(head.text, head.span) for head in shown.groups] == [("", 1), ("accuracy, %", 2), ("cost", 2)]
    assert [head.text for head in shown.heads] == ["method", "dense", "final", "ratio, ×", "time, ms"]
    assert [head.number for head in shown.heads] == [False, True, True, True, True]


def test_there_is_one_row_of_headings_without_groups():
    assert grid(table_of("t", "Title", [column("a"), column("b")])).groups == ()


def test_more_than_nine_columns_are_left_to_those_who_ask():
    columns = [column("early", further=True), *(column(str(number)) for number in range(12))]
    shown = grid(table_of("t", "Title", columns))
    assert [head.further for head in shown.heads] == [True, *[False] * SHOWN, *[True] * 3]
    assert shown.has_further
    assert not grid(table_of("t", "Title", columns[1:4])).has_further
    parts = grid(table_of("t", "Title", [column("a", group="g"), column("b", group="g", further=True)])).groups
    assert [(head.text, head.span, head.further) for head in parts] == [("g", 1, False), ("g", 1, True)]


def test_columns_that_have_no_room_in_the_page_are_left_to_those_who_ask():
    wide = [column(f"{number} {'measure' * 5}") for number in range(5)]
    shown = grid(table_of("t", "Title", [column("name", "a", "b"), *wide]))
    assert [head.further for head in shown.heads] == [False] * 3 + [True] * 3
    numbers = [column(str(number), 1.5, 2.25, interval=((0.25, 0.75), None)) for number in range(6)]
    assert not grid(table_of("t", "Title", numbers)).has_further
    endless = "x" * int(ROOM)
    (first, second) = grid(table_of("t", "Title", [column(endless), column("b")])).heads
    assert (first.further, second.further) == (False, True), "one is always shown"


def test_words_beside_a_number_take_no_more_place_than_they_need():
    taus = column("τ", 1.0, 0.5, interval=((1.0, 1.0), (0.25, 0.75)), networks=(5, 5), decimals=2)
    cells = [row[1].text.interval for row in grid(table_of("t", "Title", [column("name", "a", "b"), taus])).rows]
    assert [cell.rstrip("\u2007") for cell in cells] == ["same in all 5", "[0.25, 0.75]"]
    assert {len(cell) for cell in cells} == {len("same in all 5")}


def test_a_heading_knows_its_numbers():
    table = table_of("t", "Title", [
        column("name", "a", "b"),
        column("same", 1.0, 1.0),
        column("τ", 0.5, 0.25, interval=((0.0, 1.0), None), spread=(0.1, None)),
        column("n", 5, 6),
    ])  # fmt: skip
    numbers = [pair for each in table.columns for pair in each.numbers()]
    places = [head.place for head in grid(table).heads]
    assert [numbers[place][0] for place in places] == ["name", "τ", "n"]


def test_parts_of_cells_are_padded_to_one_width():
    shown = grid(table_of("t", "Title", [column("name", "a", "b"), column("x", 1.5, 22.25, spread=(0.5, None))]))
    cells = [row[1].text for row in shown.rows]
    assert len({len(cell.spread) for cell in cells}) == 1
    assert [cell.spread.strip("\u2007\u2008") for cell in cells] == ["± 0.50", ""]


def test_very_long_tables_go_on_in_their_numbers():
    shown = grid(table_of("t", "Title", [column("x", *range(MOST + 7))]), "study-2-")
    assert (len(shown.rows), shown.left_out, shown.key) == (MOST, 7, "study-2-t")
