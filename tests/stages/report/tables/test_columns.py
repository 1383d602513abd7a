"""Tables by columns: text of cells, full precision for files, and columns that say the same in every row."""

from apcli.stages.report.tables.columns import CellText, Column, table_of

SPREAD = Column("final", (91.512, None, 60.0), "accuracy", "%", spread=(0.25, None, None), decimals=1)
BETWEEN = Column("τ", (0.5, -1.0), interval=((0.25, 0.75), None), decimals=2)


def test_cells_are_text_with_what_stands_beside():
    assert [text.whole for text in SPREAD.texts()] == ["91.5 ± 0.2", "–", "60.0"]
    assert BETWEEN.texts()[0] == CellText("0.50", "", "[0.25, 0.75]")
    assert BETWEEN.texts()[0].whole == "0.50 [0.25, 0.75]"
    assert Column("x", (0.000443,), spread=(0.000101,)).texts()[0].whole == "0.000443 ± 0.00010"
    assert [text.main for text in Column("name", ("a", None)).texts()] == ["a", "–"]
    assert [text.main for text in Column("p", (0.2, 1e-9), decimals=3, floor=0.001).texts()] == ["0.200", "< 0.001"]


def test_an_interval_without_width_says_in_how_many_networks_the_number_is_the_same():
    column = Column("τ", (1.0, 0.5), interval=((1.0, 1.0), (0.25, 0.75)), networks=(5, 6), decimals=2)
    assert [text.interval for text in column.texts()] == ["same in all 5", "[0.25, 0.75]"]
    assert ("τ, low", (1.0, 0.25)) in column.numbers(), "numbers stay numbers"


def test_numbers_keep_their_precision():
    assert dict(SPREAD.numbers()) == {
        "accuracy, final, %": (91.512, None, 60.0),
        "accuracy, final, %, sd": (0.25, None, None),
    }
    assert list(BETWEEN.numbers()) == [("τ", (0.5, -1.0)), ("τ, low", (0.25, None)), ("τ, high", (0.75, None))]


def test_columns_that_say_the_same_become_a_sentence():
    name = Column("method", ("a", "a"))
    same = Column("dense", (91.5, 91.5), "test accuracy", "%", decimals=1)
    table = table_of("t", "Title", [name, same, None, Column("nothing", (None, None)), Column("n", (1, 2))])
    assert [column.name for column in table.varying] == ["method", "n"]
    assert table.constant == "The same in every row: test accuracy dense 91.5 %."
    assert len(table) == 2
    one = table_of("t", "Title", [Column("method", ("a",)), Column("n", (1,))])
    assert (one.varying, one.constant) == (one.columns, "")


def test_spreads_that_differ_are_shown():
    column = Column("a", (1.0, 1.0), spread=(0.5, 0.25))
    table = table_of("t", "Title", [Column("name", ("a", "b")), column])
    assert column in table.varying


def test_words_are_no_numbers():
    assert SPREAD.is_number
    assert not Column("mixed", (1, "a")).is_number
    assert not Column("unknown", (None,)).is_number


def test_a_spread_of_zero_is_not_shown():
    column = Column("x", (0.175, 0.175), spread=(0.0, 0.01))
    assert [text.whole for text in column.texts()] == ["0.175", "0.175 ± 0.010"]
