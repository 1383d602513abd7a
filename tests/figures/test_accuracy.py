"""The accuracy figure with more methods than there are colours, and with too little."""

import pytest
from studies import METHODS, accuracies, dots, drawn_study, lines, rows, words

from apcli.figures.accuracy import accuracy
from apcli.figures.canvas.colors import looks
from apcli.figures.canvas.marks import Missing
from apcli.figures.study import Curve, Point, Study


def test_a_panel_for_each_state_and_a_line_for_each_method():
    drawing = accuracy(drawn_study(**accuracies(networks=2)))
    assert {"Just pruned", "After fine-tuning", "0.8", *METHODS} <= set(words(drawing))
    for method in METHODS:
        assert [len(line.places) for line in lines(drawing, method)] == [3, 3]
        assert len(dots(drawing, method)) == 2
    assert {line.dash for line in lines(drawing, "random")} == {"dotted"}
    assert len(lines(drawing, "dense network")) == 2
    known = {(row["state"], row["method"], row["sparsity"]): row for row in rows(drawing)}
    assert len(known) == 1 + 2 * 3 * 3
    row = known["just pruned", "lowest", 0.1]
    assert [row[name] for name in ("mean", "lowest", "highest", "networks")] == [85.5, 85.0, 86.0, 2]
    assert row["sd"] == pytest.approx(2**-0.5)


def test_sixteen_methods_look_different():
    names = [f"method {i}" for i in range(16)]
    curves = tuple(Curve(name, {0.5: Point((90.0,)), 0.98: Point((50.0,))}) for name in names)
    drawing = accuracy(Study(looks(names, []), accuracies={"pruned": curves}))
    assert len({(mark.color, mark.shape) for name in names for mark in dots(drawing, name)}) == 16
    assert set(names) <= set(words(drawing))


def test_one_sparsity_is_no_figure():
    with pytest.raises(Missing, match="fewer than two sparsities"):
        accuracy(Study(accuracies={"pruned": (Curve("lowest", {0.5: Point((90.0,))}),)}))
