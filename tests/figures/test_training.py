"""Curves of fine-tuning."""

import pytest
from studies import LOOKS, lines, rows, words

from apcli.figures.canvas.marks import Missing, Words
from apcli.figures.study import Point, Series, Study
from apcli.figures.training import training


def curves(epochs=(0, 1, 2), sparsities=(0.1, 0.3, 0.5, 0.8, 0.9)):
    points = tuple(Point((0.5 + epoch,)) for epoch in epochs)
    return Study(
        LOOKS,
        training=tuple(
            Series(method, sparsity, f"{split} {what}", "", "network", epochs, points, points[-1])
            for method in ("lowest", "random")
            for sparsity in sparsities
            for split in ("test", "train")
            for what in ("loss", "accuracy")
        ),
    )


def test_loss_and_accuracy_of_each_sparsity():
    drawing = training(curves())
    assert words(drawing).count("Sparsity 0.9") == 2
    assert words(drawing).count("loss, nats") == words(drawing).count("accuracy, %") == 5
    assert {line.dash for line in lines(drawing, "lowest")} == {"solid", "dashed"}
    assert {line.dash for line in lines(drawing, "random")} == {"dotted", "dashed"}
    assert len(lines(drawing, "lowest")) == 5 * 4
    assert len(rows(drawing)) == 2 * 5 * 4 * 3
    assert drawing.width == 660


def test_one_epoch_is_no_figure():
    with pytest.raises(Missing, match="fewer than two epochs"):
        training(curves(epochs=(0,)))


def test_a_last_row_of_one_sparsity_is_as_wide_as_the_others():
    heads = {mark.text: mark.place for mark in training(curves()).marks if isinstance(mark, Words) and mark.bold}
    assert heads["Sparsity 0.9"][0] == heads["Sparsity 0.1"][0]
    assert heads["Sparsity 0.9"][1] > heads["Sparsity 0.1"][1]
    widths = {line.places[-1][0] - line.places[0][0] for line in lines(training(curves()), "lowest")}
    assert max(widths) < 165
