"""Tables of methods: how a spec is read, what it prints back as, and what every wrong one is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apcli.errors import UsageError
from apcli.registry.tables import Choice, Row, Table, split_list

ROWS = (
    Row("plain", "math:hypot", "no parameters", "here"),
    Row("typed", "builtins:dict", "one of each type", "here", (), {"count": 3, "rate": 0.5, "word": "a"}),
)
TABLE = Table("method", ROWS)
WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-+.", min_size=1)


def test_a_table_is_its_rows_in_order():
    assert list(TABLE) == list(ROWS)
    assert TABLE.names == ["plain", "typed"]
    assert "plain" in TABLE
    assert "other" not in TABLE
    assert TABLE.row("typed") is ROWS[1]


def test_two_rows_of_one_name_are_a_mistake():
    with pytest.raises(ValueError, match="method"):
        Table("method", (ROWS[0], ROWS[0]))


def test_a_row_loads_its_function_and_a_choice_calls_it():
    assert ROWS[0].load()(3, 4) == 5
    assert TABLE.parse("plain")(3, 4) == 5
    assert TABLE.parse("typed:rate=2")(more=1) == {"more": 1, "count": 3, "rate": 2.0, "word": "a"}


def test_values_take_the_type_of_the_default():
    values = TABLE.parse("typed:count=7:rate=1:word=80+120").parameters
    assert values == {"count": 7, "rate": 1.0, "word": "80+120"}
    assert [type(value) for value in values.values()] == [int, float, str]
    assert TABLE.parse(" typed ").parameters == {"count": 3, "rate": 0.5, "word": "a"}


def test_parsing_leaves_the_row_as_it_is():
    TABLE.parse("typed:count=9")
    assert ROWS[1].parameters == {"count": 3, "rate": 0.5, "word": "a"}


@given(count=st.integers(), rate=st.floats(allow_nan=False), word=WORD)
def test_a_choice_prints_as_the_spec_that_parses_to_it(count, rate, word):
    choice = Choice(ROWS[1], {"count": count, "rate": rate, "word": word})
    assert TABLE.parse(choice.spec) == choice


def test_a_spec_is_as_short_as_can_be():
    assert TABLE.parse("typed:rate=0.50:count=4:word=a").spec == "typed:count=4"
    assert TABLE.parse("typed:count=3").spec == "typed"


SHAPES = Table("shape", (Row("round", "math:pi", "", ""), Row("oval", "math:e", "", "", (), {"width": 2.0})))
NESTED = Table("thing", (Row("box", "builtins:dict", "", "", (), {"size": 1, "shape": "round"}, {"shape": SHAPES}),))


def test_a_parameter_may_name_a_row_which_adds_its_own_parameters():
    assert NESTED.parse("box").parameters == {"size": 1, "shape": "round"}
    assert NESTED.parse("box:shape=oval").parameters == {"size": 1, "shape": "oval", "width": 2.0}
    assert NESTED.parse("box:width=3:shape=oval:size=5").parameters == {"size": 5, "shape": "oval", "width": 3.0}
    assert NESTED.parse("box:width=3:shape=oval").spec == "box:shape=oval:width=3.0"
    assert NESTED.parse("box:shape=oval:width=2").spec == "box:shape=oval"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("box:width=3", "no parameter 'width'.*it takes size, shape$"),
        ("box:shape=square", "unknown shape 'square': known are round, oval"),
        ("box:shape=oval:width=x", "box:width is 'x': expected a number"),
    ],
)
def test_what_a_chosen_row_does_not_have_is_refused(spec, words):
    with pytest.raises(UsageError, match=words):
        NESTED.parse(spec)


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(UsageError, match="unknown method 'other': known are plain, typed"):
        TABLE.parse("other")
    with pytest.raises(UsageError, match="did you mean 'plain'"):
        TABLE.row("plian")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("plain:rate=1", "'plain' has no parameter 'rate' .*takes none"),
        ("typed:rat=1", "no parameter 'rat' .*count, rate, word"),
        ("typed:", "no parameter ''"),
        ("typed:count=1.5", "typed:count is '1.5': expected a whole number"),
        ("typed:count=", "typed:count is '': expected a whole number"),
        ("typed:count", "typed:count is '': expected a whole number"),
        ("typed:rate=fast", "typed:rate is 'fast': expected a number"),
        ("typed:word=", "typed:word is '': expected a word"),
        ("", "unknown method ''"),
    ],
)
def test_what_is_refused(spec, words):
    with pytest.raises(UsageError, match=words):
        TABLE.parse(spec)


def test_lists():
    assert [choice.spec for choice in TABLE.parse_list("plain, typed:count=4")] == ["plain", "typed:count=4"]
    assert split_list("a, b ,c", "name") == ["a", "b", "c"]
    for text in ("", ",", "a,", "a,,b", " "):
        with pytest.raises(UsageError, match="empty name"):
            split_list(text, "name")


def test_choices_that_mean_the_same_can_be_refused():
    with pytest.raises(UsageError, match=r"^typed:count=7 is named twice: expected each method once$"):
        TABLE.check_distinct(TABLE.parse_list("typed:count=7,plain,typed:count=7:rate=0.5"))
    TABLE.check_distinct(TABLE.parse_list("typed,typed:count=7"))


def test_a_comma_may_be_a_part_of_a_name():
    assert split_list(r"a\,b, c", "layer") == ["a,b", "c"]
