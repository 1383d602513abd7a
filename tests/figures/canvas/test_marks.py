"""Columns from rows."""

from apcli.figures.canvas.marks import columns_of


def test_rows_become_columns():
    assert columns_of(("a", "b"), [(1, 2), (3, None)]) == {"a": (1, 3), "b": (2, None)}
    assert columns_of(("a", "b"), []) == {"a": (), "b": ()}
